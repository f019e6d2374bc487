"""The rules of two versions of a contract: does each of the new ones let through what the old ones let through?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ingest.model.change import Change, Effect
from ingest.model.contract import Contract
from ingest.model.expectation import Expectation

__all__ = ["changes"]

_WIDER_SET = "expect_column_values_to_be_in_set"
_JUDGED = frozenset({"column", "column_A", "column_B"})
_BOUNDS = frozenset({"min_value", "max_value", "strict_min", "strict_max"})


def changes(old: Contract, new: Contract, *, then: str) -> Iterator[Change]:
    """What changed in the expectations, those of the contract's own rules included, about columns that both have.

    A rule is compared with all of its kind about the same columns; what no old one implies is new or tightened.
    """
    both = {column.name for column in old.columns} & {column.name for column in new.columns}
    before = [one for one in old.expectations if _about(one) <= both]
    after = [one for one in new.expectations if _about(one) <= both]
    for one in after:
        peers = [other for other in before if _peers(one, other)]
        if not any(_same(other, one) for other in peers):
            loosened = any(_implies(other, one) for other in peers)
            word = "loosened" if loosened else "tightened" if peers else "added"
            effect = Effect.IN_PLACE if loosened else Effect.BREAKING
            yield Change(effect, "rule", f"{word}: {one} {_kwargs(one)}", then="" if loosened else then)
    for one in before:
        if not any(_peers(one, other) and (_implies(one, other) or _implies(other, one)) for other in after):
            yield Change(Effect.IN_PLACE, "rule", f"dropped: {one} {_kwargs(one)}")


def _about(one: Expectation) -> set[str]:
    return {str(one.kwargs[name]) for name in _JUDGED if one.kwargs.get(name) is not None}


def _peers(one: Expectation, other: Expectation) -> bool:
    return one.type == other.type and all(one.kwargs.get(name) == other.kwargs.get(name) for name in _JUDGED)


def _same(one: Expectation, other: Expectation) -> bool:
    return _implies(one, other) and _implies(other, one)


def _implies(old: Expectation, new: Expectation) -> bool:
    """Whether what passes `old` passes `new`, its peer."""
    before, after = old.kwargs, new.kwargs
    if not (_above(before, after) and _below(before, after) and new.mostly <= old.mostly):
        return False
    if "value_set" in after:
        sets = [set(before["value_set"]), set(after["value_set"])]
        return sets[0] <= sets[1] if new.type == _WIDER_SET else sets[1] <= sets[0]
    if before.get("or_equal") and not after.get("or_equal"):
        return False
    others = (before.keys() | after.keys()) - _JUDGED - _BOUNDS - {"mostly", "or_equal"}
    return all(before.get(name) == after.get(name) for name in others)


def _above(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return _within(before, after, "min", 1)


def _below(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return _within(before, after, "max", -1)


def _within(before: Mapping[str, Any], after: Mapping[str, Any], end: str, sign: int) -> bool:
    """Whether the old bound at this end is at least as tight as the new one."""
    old, new = before.get(f"{end}_value"), after.get(f"{end}_value")
    if new is None:
        return True
    if old is None or sign * old < sign * new:
        return False
    return bool(old != new or before.get(f"strict_{end}") or not after.get(f"strict_{end}"))


def _kwargs(one: Expectation) -> str:
    return ", ".join(f"{name}={value}" for name, value in one.kwargs.items() if name not in _JUDGED) or ""
