"""The feed ranges that a container is read by: its physical ranges, cut or put together to as many as are wanted.

They are chosen once. What is read by them goes on being the same items when the physical ranges split and merge.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ingest.model.container import ContainerBinding, FeedRange
from ingest.sources.cosmos_feed import Account, physical_ranges

__all__ = ["chosen", "feed_ranges"]

_DIGITS = 32
_END = 0x3FFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF + 1
"""Behind the last effective partition key, which a boundary writes as `FF`: two bits are left free."""


def feed_ranges(account: Account, binding: ContainerBinding) -> list[FeedRange]:
    """As many as the binding wants, else one for each physical range there is now, in their order. Blocking.

    Raises:
        ConfigurationError, TopologyError, SourceUnavailable: see `cosmos_errors`.
    """
    found = physical_ranges(account, binding)
    return found if binding.feed_ranges is None else chosen(found, binding.feed_ranges)


def chosen(physical: Sequence[FeedRange], count: int) -> list[FeedRange]:
    """So many ranges that cover the same: neighbours put together, or the widest cut in the middle, again and again."""
    # Where keys have several levels, boundaries may differ in their ends only, which are cut off here.
    bounds = sorted({*(_number(one.low) for one in physical), _number(physical[-1].high)})
    while len(bounds) - 1 < count:
        widths = [high - low for low, high in pairwise(bounds)]
        at = widths.index(max(widths))
        bounds.insert(at + 1, (bounds[at] + bounds[at + 1]) // 2)
    kept = [bounds[round(place * (len(bounds) - 1) / count)] for place in range(count + 1)]
    return [FeedRange(_text(low), _text(high)) for low, high in pairwise(kept)]


def _number(bound: str) -> int:
    """A boundary, as far as the first level of the key goes."""
    return _END if bound == "FF" else int(bound[:_DIGITS].ljust(_DIGITS, "0"), 16)


def _text(bound: int) -> str:
    return "" if not bound else "FF" if bound == _END else f"{bound:0{_DIGITS}X}"
