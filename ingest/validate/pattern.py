r"""Which texts a regular expression finds something in, as Python's `re` means it, at the speed of RE2.

The two read the same pattern differently where a text has a newline (`$`), no character (`\B`), or characters
beyond ASCII (`\d`, `\w`, `\s`, ignoring case). So RE2 judges texts of printable ASCII, and Python the others.
"""

from __future__ import annotations

import functools
import re

import pyarrow as pa
import pyarrow.compute as pc

from ingest.validate.silence import silence

__all__ = ["found"]

_ALIKE = r"^[ -~]+$"
_UNLIKE_SYNTAX = re.compile(r"\{,|\[[:=.]|[^ -~]")
"""What both accept and read differently: `{,3}`, `[[:alpha:]]`, characters beyond ASCII with `(?i)`."""


def found(texts: pa.Array, pattern: str) -> pa.Array:
    """For each text (n), does `re.search` find the pattern in it? Null for null.

    Raises:
        re.error: when Python cannot compile the pattern.
    """
    compiled = _compiled(pattern)
    fast = _by_re2(texts, pattern)
    if fast is None:
        return _by_python(texts, compiled)
    alike = pc.match_substring_regex(texts, _ALIKE)
    if pc.all(alike).as_py() is not False:
        return fast
    others = pc.if_else(alike, pa.scalar(None, pa.string()), texts)
    return pc.if_else(alike, fast, _by_python(others, compiled))


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    with silence(FutureWarning, short=True):  # of sets that may one day nest
        return re.compile(pattern)


def _by_re2(texts: pa.Array, pattern: str) -> pa.Array | None:
    """RE2's answer for each text (n); null when it cannot read the pattern, or reads it in another way."""
    if _UNLIKE_SYNTAX.search(pattern):
        return None
    try:
        return pc.match_substring_regex(texts, pattern)
    except pa.ArrowInvalid:
        return None


def _by_python(texts: pa.Array, compiled: re.Pattern[str]) -> pa.Array:
    """Once per distinct text."""
    coded = pc.dictionary_encode(texts)
    answers = [compiled.search(text) is not None for text in coded.dictionary.to_pylist()]
    return pa.array(answers, pa.bool_()).take(coded.indices)
