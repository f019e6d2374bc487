"""What goes wrong on demand: refusals, delays, cut connections; and a budget of request units per second."""

from __future__ import annotations

import time
from typing import Any, Literal

import msgspec

from cosmos.errors import CODES, Refused, bad_request

__all__ = ["Budget", "Fault", "Faults", "Kind"]

Kind = Literal["any", "read", "write", "query", "feed", "pkranges", "batch", "account", "container"]


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """Something that befalls the next `times` requests of `kind` (see the README), of the container named, if one is.

    `status` refuses (with `substatus`, `retry_after_ms`); `delay` waits that many seconds; `cut` is `before` (nothing
    was done) or `after` (it was done, and the answer is lost) or `middle` (half of the answer is sent).
    """

    kind: Kind = "any"
    times: int = 1
    after: int = 0  # requests of the kind that pass before
    container: str | None = None
    status: int | None = None
    substatus: int = 0
    retry_after_ms: int | None = None
    delay: float = 0.0
    cut: Literal["before", "middle", "after"] | None = None

    @classmethod
    def of(cls, body: Any) -> Fault:
        """Of what the admin endpoint was sent. 400 for what is not one."""
        try:
            made = msgspec.convert(body, cls)
        except msgspec.ValidationError as error:
            raise bad_request(f"Not a fault: {error}.") from None
        if made.status is not None and made.status not in CODES:
            raise bad_request(f"{made.status} is not a status of the service: {', '.join(map(str, CODES))}.")
        return made

    def refusal(self) -> Refused | None:
        """The refusal, if it is one."""
        if self.status is None:
            return None
        headers = {} if self.retry_after_ms is None else {"x-ms-retry-after-ms": str(self.retry_after_ms)}
        return Refused(self.status, "This was asked for.", substatus=self.substatus, headers=headers)


class Faults:
    """The faults that wait, in the order in which they were asked for; and what passed, by kind."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """It befalls later requests."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """None waits any more."""
        self._waiting.clear()

    def waiting(self) -> list[Fault]:
        """Those that are not used up."""
        return list(self._waiting)

    def take(self, kind: str, container: str | None) -> Fault | None:
        """What befalls a request of `kind` to `container`."""
        for fault in self._waiting:
            if fault.kind not in {"any", kind} or fault.container not in {None, container}:
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self._waiting.remove(fault)
            return fault
        return None


class Budget:
    """Request units per second of the partition key ranges of containers: the container's, divided by their number."""

    def __init__(self) -> None:
        self._left: dict[tuple[int, int], tuple[float, float]] = {}  # range → units left, as of when

    def admit(self, container: int, number: int, rate: float) -> None:
        """429 with `x-ms-retry-after-ms` while the range is overdrawn at `rate` units per second."""
        left = self._now(container, number, rate)
        if left <= 0:
            wait = max(1, int((-left / rate) * 1000) + 1)
            raise Refused(
                429,
                "Request rate is large. More Request Units may be needed, so no changes were made. Please retry this"
                " request later. Learn more: http://aka.ms/cosmosdb-error-429",
                substatus=3200,
                headers={"x-ms-retry-after-ms": str(wait)},
            )

    def spend(self, container: int, number: int, rate: float, units: float) -> None:
        """A request was served for `units`; a range may be overdrawn by one request."""
        self._left[container, number] = (self._now(container, number, rate) - units, time.monotonic())

    def _now(self, container: int, number: int, rate: float) -> float:
        left, then = self._left.get((container, number), (rate, time.monotonic()))
        return min(rate, left + (time.monotonic() - then) * rate)
