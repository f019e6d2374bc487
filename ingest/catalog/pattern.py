"""Regular expressions that every engine which judges rows reads alike."""

from __future__ import annotations

import re

from ingest.catalog.document import Document, Path, shown

__all__ = ["check_pattern"]

_LITERAL = re.compile(r"\\[^1-9]|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_BACKTRACKING = re.compile(r"\(\?(?:[=!>(]|<[=!]|P=)|\\[1-9]|[*+?}]\+")


def check_pattern(document: Document, path: Path, pattern: str) -> None:
    """Hold a pattern of the contract or the suite against Python's syntax, without what linear engines lack.

    Raises:
        ContractError: for a pattern that does not compile, looks around or refers back.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        problem = f"{shown(pattern)} is not a regular expression: {error}"
        raise document.wrong(path, problem, remedy="correct the pattern, in Python's syntax") from None
    if _BACKTRACKING.search(_LITERAL.sub("x", pattern)):
        remedy = "say it without looking around or referring back, if need be in two expectations"
        raise document.wrong(path, f"{shown(pattern)} looks around or refers back", remedy=remedy)
