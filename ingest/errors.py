"""Every error that leaves this package, as one tree.

::

    LakepostError                      exit 1   something failed; the message says what to do
    ├── TerminalError                  exit 1   trying again changes nothing until somebody acts
    │   ├── ConfigurationError         exit 2   a setting, an argument or a URL is wrong
    │   ├── ContractError              exit 1   a file under schemas/ is wrong: file, field, remedy
    │   ├── TopologyError              exit 1   the queue or the exchange is not what the contract says
    │   ├── SourceReplaced             exit 1   a stream or container was deleted and made again
    │   ├── ContinuationExpired        exit 1   a change feed no longer goes on from where it was read to
    │   ├── SchemaMismatch             exit 1   the contract's columns, or a batch's, are not the table's
    │   ├── RawTrimmed                 exit 1   raw no longer holds what a date would be rebuilt from
    │   ├── AccountBroken              exit 1   records != curated + quarantined + duplicates + erased
    │   └── GateClosed                 exit 3   too much of a batch was rejected; it stays pending
    └── TransientError                 exit 75  the same call may succeed later
        ├── SourceUnavailable          exit 75  the broker refused, vanished or timed out
        ├── LakeUnavailable            exit 75  the lake's storage refused, is full or timed out
        └── CommitFailed               exit 75  another writer was first, every time; nothing was written
            └── Overtaken              exit 75  curated changed since this run read it; nothing was written

Adapters translate foreign exceptions at their seam, so an `aio_pika`, `azure`, `deltalake` or
`great_expectations` exception never reaches a caller. Airflow's retry policy and the command's exit
codes read the class, never the text.
"""

from __future__ import annotations

__all__ = [
    "AccountBroken",
    "CommitFailed",
    "ConfigurationError",
    "ContinuationExpired",
    "ContractError",
    "GateClosed",
    "LakeUnavailable",
    "LakepostError",
    "Overtaken",
    "RawTrimmed",
    "SchemaMismatch",
    "SourceReplaced",
    "SourceUnavailable",
    "TableReplaced",
    "TerminalError",
    "TopologyError",
    "TransientError",
]


class LakepostError(Exception):
    """The root of the tree: `message` says what is wrong, `remedy` what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.remedy}" if self.remedy else self.message


class TerminalError(LakepostError):
    """Trying again changes nothing until somebody acts."""


class ConfigurationError(TerminalError):
    """A setting, an argument or a URL is missing or wrong."""

    exit_code = 2


class ContractError(TerminalError):
    """A contract, suite or sample under `schemas/` is wrong."""


class TopologyError(TerminalError):
    """The queue or exchange exists but is not what the contract says, or does not exist."""


class SourceReplaced(TerminalError):
    """The stream or container at the stored position is not the one that was read before."""


class ContinuationExpired(TerminalError):
    """A change feed refuses to go on from the stored continuation: what came after it is no longer kept."""


class TableReplaced(TerminalError):
    """A table of the dataset is not the one that the lake knows: positions in its log mean nothing here."""


class SchemaMismatch(TerminalError):
    """A contract's columns, or a batch's, are not the table's: writing would lose or silently cast values."""


class RawTrimmed(TerminalError):
    """Raw no longer holds every row that curated and quarantine have of an event date: it cannot be rebuilt."""


class AccountBroken(TerminalError):
    """A batch's records are not the sum of its curated, quarantined, duplicate and erased rows."""


class GateClosed(TerminalError):
    """Too large a share of a batch was rejected: nothing of it was published, it stays pending.

    `pending` is the number of raw rows that wait, `expectations` maps each reason or expectation
    that rejected rows to how many.
    """

    exit_code = 3

    def __init__(self, message: str, *, pending: int, expectations: dict[str, int], remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.pending = pending
        self.expectations = expectations


class TransientError(LakepostError):
    """The same call may succeed later: an Airflow task retries, the command exits 75."""

    exit_code = 75


class SourceUnavailable(TransientError):
    """The broker refused the connection, closed it or timed out. Unacknowledged rows come again."""


class LakeUnavailable(TransientError):
    """The lake's storage refused, is full or timed out. Whether a commit happened is looked up on retry."""


class CommitFailed(TransientError):
    """Other writers were first on every attempt; nothing was written."""


class Overtaken(CommitFailed):
    """Another verb changed curated since this run read it: what was judged must be judged again."""
