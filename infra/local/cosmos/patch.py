"""Partial updates: add, set, replace, remove, incr, move, on paths like `/address/lines/0` or `/tags/-`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cosmos.errors import Refused, bad_request

__all__ = ["patched"]

_LIMIT: Final = 10  # operations of one request
_SYSTEM: Final = frozenset({"_rid", "_self", "_etag", "_attachments", "_ts"})


def patched(item: Mapping[str, Any], operations: Any, *, protected: Sequence[str]) -> dict[str, Any]:
    """A changed copy of `item`. `protected`: top-level names that no operation may touch, besides the system's.

    Raises:
        Refused: 400, for an operation that cannot be done; nothing is done then.
    """
    if not isinstance(operations, list) or not 0 < len(operations) <= _LIMIT:
        raise bad_request(f"A patch takes 1 to {_LIMIT} operations.")
    made = copy.deepcopy(dict(item))
    for number, operation in enumerate(operations):
        try:
            _apply(made, operation, frozenset(protected) | _SYSTEM)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise _refused(number, repr(error)) from error
    return made


def _refused(number: int, why: str) -> Refused:
    return bad_request(f"For operation({number + 1}): the patch cannot be applied: {why}")


def _apply(item: dict[str, Any], operation: Mapping[str, Any], protected: frozenset[str]) -> None:
    kind, path = operation["op"], _path(operation["path"], protected)
    if kind == "move":
        source = _path(operation["from"], protected)
        _put(item, path, _take(item, source), insert=True)
    elif kind == "remove":
        _take(item, path)
    elif kind == "incr":
        old = _get(item, path) if _has(item, path) else 0
        if isinstance(old, bool) or not isinstance(old, int | float):
            raise TypeError(f"{operation['path']} is not a number")
        _put(item, path, old + operation["value"], insert=False)
    elif kind in {"add", "set", "replace"}:
        if kind == "replace":
            _get(item, path)
        _put(item, path, operation["value"], insert=kind == "add")
    else:
        raise ValueError(f"{kind} is not an operation")


def _path(text: str, protected: frozenset[str]) -> list[str]:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in text.removeprefix("/").split("/")]
    if not text.startswith("/") or parts[0] in protected:
        raise ValueError(f"{text} cannot be changed")
    return parts


def _holder(item: Any, path: list[str]) -> Any:
    for part in path[:-1]:
        item = item[int(part)] if isinstance(item, list) else item[part]
    return item


def _get(item: Any, path: list[str]) -> Any:
    holder = _holder(item, path)
    return holder[int(path[-1])] if isinstance(holder, list) else holder[path[-1]]


def _has(item: Any, path: list[str]) -> bool:
    try:
        _get(item, path)
    except (KeyError, IndexError):
        return False
    return True


def _put(item: Any, path: list[str], value: Any, *, insert: bool) -> None:
    holder, last = _holder(item, path), path[-1]
    if not isinstance(holder, list):
        holder[last] = value
    elif last == "-":
        holder.append(value)
    elif insert and int(last) <= len(holder):
        holder.insert(int(last), value)
    else:
        holder[int(last)] = value


def _take(item: Any, path: list[str]) -> Any:
    holder = _holder(item, path)
    return holder.pop(int(path[-1])) if isinstance(holder, list) else holder.pop(path[-1])
