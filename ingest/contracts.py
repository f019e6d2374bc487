"""contracts check: every contract read, its samples judged by it, and compared with what it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest import catalog
from ingest.catalog import Sample
from ingest.catalog.compatible import compare, removed
from ingest.catalog.older import older
from ingest.errors import ContractError, LakepostError
from ingest.model.change import Change, Effect
from ingest.model.contract import Contract
from ingest.model.delivery import Window
from ingest.settings import Settings

__all__ = ["Checked", "check"]


_VALID = (None, None, None)


@dataclass(frozen=True, slots=True)
class Checked:
    """One dataset: its version and the number of its samples, what is wrong, and what changed.

    `version` is null for a contract that cannot be read or is gone, `older_version` for one that is new or was wrong.
    """

    dataset: str
    version: str | None = None
    older_version: str | None = None
    samples: int = 0
    wrong: LakepostError | None = None
    changes: tuple[Change, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing is wrong and no change is refused."""
        return self.wrong is None and not any(change.refused for change in self.changes)


def check(settings: Settings, against: str | None = None) -> list[Checked]:
    """Every dataset of the catalogue, by name; with `against`, a folder or a git ref, also those that are gone.

    Raises:
        ConfigurationError: there is nothing at `against` to compare with.
        ContractError: the schemas folder cannot be read.
    """
    before = None if against is None else older(settings.schemas_dir, against)
    names = {*catalog.names(settings.schemas_dir), *(before or ())}
    return [_checked(settings.schemas_dir, name, before) for name in sorted(names)]


def _checked(schemas_dir: Path, dataset: str, before: Mapping[str, Contract | ContractError] | None) -> Checked:
    old = None if before is None else before.get(dataset)
    version = old.version if isinstance(old, Contract) else None
    if dataset not in catalog.names(schemas_dir):
        gone = (removed(old),) if isinstance(old, Contract) else (Change(Effect.IN_PLACE, "dataset", "removed"),)
        return Checked(dataset, None, version, changes=gone)
    try:
        new = catalog.load(schemas_dir, dataset)
    except LakepostError as error:
        return Checked(dataset, None, version, wrong=error)
    found = Checked(dataset, new.version, version, changes=() if before is None else _changes(old, new))
    try:
        samples = catalog.samples(schemas_dir, dataset)
    except LakepostError as error:
        return dataclasses.replace(found, wrong=error)
    return dataclasses.replace(found, samples=len(samples), wrong=_misjudged(samples, new) if samples else None)


def _misjudged(samples: list[Sample], contract: Contract) -> ContractError | None:
    """What is wrong when a sample does not get the verdict that it states, from the parts that judge every row."""
    from ingest import envelope
    from ingest.decoding import decode
    from ingest.steps.land import raw_rows
    from ingest.steps.verdicts import weigh
    from ingest.validate import Suite

    window = Window([sample.delivery for sample in samples], acknowledge=_nobody_waits)
    raw = raw_rows(window, contract, events=envelope.events)
    rejects = weigh(raw, contract, decode, Suite()).rejects.sort_by([("index", "descending")]).to_pylist()
    places = [place for place, sample in enumerate(samples) for _ in envelope.split(sample.delivery)]
    # Of a sample that holds several events the first reject is told.
    found = {places[row["index"]]: (row["reason"], row["expectation"], row["column"]) for row in rejects}
    wrong = [
        f"samples/{sample.name}.json must be {_verdict(*stated)}, and is {_verdict(*found.get(place, _VALID))}"
        for place, sample in enumerate(samples)
        if (stated := (sample.reason, sample.expectation, sample.column)) != found.get(place, _VALID)
    ]
    if not wrong:
        return None
    told = f"{contract.dataset}/{wrong[0]}" + (f" (and {len(wrong) - 1} more)" if wrong[1:] else "")
    return ContractError(told, remedy="mend the contract or the suite; or the sample, if this is what you want")


async def _nobody_waits() -> None:
    """A sample came from a file: there is no broker to tell."""


def _verdict(reason: str | None, expectation: str | None, column: str | None) -> str:
    return "valid" if reason is None else " ".join(filter(None, (reason, expectation, column)))


def _changes(old: Contract | ContractError | None, new: Contract) -> tuple[Change, ...]:
    if old is None:
        return (Change(Effect.IN_PLACE, "dataset", "new"),)
    if isinstance(old, Contract):
        return compare(old, new)
    # Nothing can have been published under a contract that nobody could read.
    return (Change(Effect.IN_PLACE, "contract", f"not compared, the older one is wrong: {old.message}"),)
