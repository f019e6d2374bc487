"""Where everything stands in a lake.

::

    <lake>/raw|curated|quarantine|accounts/<dataset>/      Delta tables
    <lake>/curated/<dataset>_changes/                      of a container: its curated table, the history of its items
    <lake>/curated/<dataset>/                              of a container: its items as they are now
    <lake>/_lakepost/deleted/<dataset>/                    of a container: its items that were deleted
    <lake>/_lakepost/tables/<dataset>.json                 the identity of each of its tables
    <lake>/_lakepost/contracts/<dataset>/<digest>.json     each contract that a batch has used
    <lake>/_lakepost/batches/<dataset>/<after>.json        the batch that reads raw from version <after>
    <lake>/_lakepost/replays/<dataset>/<number>.json       the rows that a replay takes out of quarantine
    <lake>/_lakepost/reports/<dataset>/<until>.json        the validation report of a batch
    <lake>/_lakepost/reports/<dataset>/<until>.html        the same to read
    <lake>/_lakepost/erased/<dataset>/<key>-<hash>.json    somebody who was erased, by keyed hash
    <lake>/_lakepost/adopted/<dataset>/<stream>/<n>.json   a stream that was made again under its name, the nth time
    <lake>/_lakepost/lost/<dataset>/<stream>/<first>.json  offsets that a stream no longer had when land came to them
    <lake>/_lakepost/gaps/<dataset>/<range>/<n>.json       what was missed of a feed range before its generation n
    <lake>/_lakepost/feeds/<dataset>/<container>.json      the feed ranges that a container is read by
    <lake>/_lakepost/feeds/<dataset>/<range>/<n>.json      how far a feed range was read, once raw's log names n
"""

from __future__ import annotations

from urllib.parse import quote

__all__ = [
    "adopted",
    "batch",
    "contract",
    "erased",
    "erasure",
    "feed_ranges",
    "gap",
    "gaps",
    "loss",
    "lost",
    "page",
    "replay",
    "report",
    "table",
    "tables",
    "tables_of",
    "token",
    "tokens",
]


def table(stage: str, dataset: str, *, history: bool = False) -> str:
    """A table's folder, relative to the lake; `history`: the dataset's curated table is the history of items."""
    if stage == "curated" and history:
        return f"curated/{dataset}_changes"
    return f"{tables_of('curated' if stage == 'current' else stage)}/{dataset}"


def tables_of(stage: str) -> str:
    """The folder with a table's folder for each dataset."""
    return f"_lakepost/{stage}" if stage == "deleted" else stage


def tables(dataset: str) -> str:
    """The identities of a dataset's tables."""
    return f"_lakepost/tables/{dataset}.json"


def contract(dataset: str, digest: str) -> str:
    """A kept contract."""
    return f"_lakepost/contracts/{dataset}/{digest}.json"


def batch(dataset: str, after: int) -> str:
    """The record of the batch that begins after raw version `after`."""
    return f"_lakepost/batches/{dataset}/{after:020d}.json"


def report(dataset: str, until: int) -> str:
    """The validation report of the batch that ends with raw version `until`."""
    return f"_lakepost/reports/{dataset}/{until:020d}.json"


def page(dataset: str, until: int) -> str:
    """The same report as a page."""
    return f"_lakepost/reports/{dataset}/{until:020d}.html"


def replay(dataset: str, number: int) -> str:
    """The rows that replay `number` takes out of quarantine; inert until curated's log names that number."""
    return f"_lakepost/replays/{dataset}/{number:020d}.json"


def erased(dataset: str) -> str:
    """The folder of those who were erased from the dataset."""
    return f"_lakepost/erased/{dataset}"


def erasure(dataset: str, hashed: str) -> str:
    """Somebody who was erased; `hashed` is `Keys.hashed`."""
    return f"{erased(dataset)}/{hashed.replace(':', '-')}.json"


def lost(dataset: str) -> str:
    """The folder with a folder for each stream that has lost something of the dataset."""
    return f"_lakepost/lost/{dataset}"


def loss(dataset: str, stream: str, first: int) -> str:
    """What the stream no longer had, from offset `first` on."""
    return f"{lost(dataset)}/{quote(stream, safe='')}/{first:020d}.json"


def gaps(dataset: str) -> str:
    """The folder with a folder for each feed range that has missed something of the dataset."""
    return f"_lakepost/gaps/{dataset}"


def gap(dataset: str, feed_range: str, generation: int) -> str:
    """What was missed of a feed range (`database/container:low-high`) before the generation."""
    return f"{gaps(dataset)}/{quote(feed_range, safe='')}/{generation:020d}.json"


def adopted(dataset: str, queue: str) -> str:
    """The folder with a file for each time that a stream was made again under this name."""
    return f"_lakepost/adopted/{dataset}/{quote(queue, safe='')}"


def tokens(dataset: str, application: str) -> str:
    """The folder of a feed range's tokens."""
    return f"_lakepost/feeds/{dataset}/{quote(application.removeprefix('land:'), safe='')}"


def token(dataset: str, application: str, number: int) -> str:
    """How far a feed range was read; inert until raw's log names that number."""
    return f"{tokens(dataset, application)}/{number:020d}.json"


def feed_ranges(dataset: str, container: str) -> str:
    """The feed ranges that a container is read by."""
    return f"_lakepost/feeds/{dataset}/{quote(container, safe='')}.json"
