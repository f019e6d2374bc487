"""Every byte of a dataset searched for one value, and files that nothing needs any more removed where they hold it.

A file may go when no version of today has it and it was in the log once: then whoever reads or writes it works on a
version of the past, and only fails. One that was in no log yet may be about to be committed: its age alone tells that
it is not, as for a vacuum.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from ingest.lake import paths
from ingest.lake.commit import open_table
from ingest.lake.log import appends, files_in
from ingest.lake.looking import Search
from ingest.lake.needle import Needle
from ingest.lake.storage import Storage
from ingest.model.erasure import Searched
from ingest.model.ports import Open
from ingest.model.tables import OF_ITEMS
from ingest.model.upkeep import SPARED_HOURS

__all__ = ["prove"]

_LOG = "_delta_log/"
_REPORTS = "_lakepost/reports/"
"""Reports give examples of values that are not private: one of them may be somebody's all the same."""
_BATCH_ROWS = 8_192


@dataclass(slots=True)
class _Tally:
    files: int = 0
    bytes: int = 0
    unreadable: int = 0
    removed: int = 0
    found: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Known:
    """Paths of a table: live today, ever named by its log as it is, and still to be read by version."""

    live: frozenset[str]
    named: frozenset[str]
    unread: frozenset[str]


def prove(
    storage: Storage,
    dataset: str,
    uris: Mapping[str, str],
    needle: Needle,
    *,
    opened: Open,
    read_until: Mapping[str, int],
    nobody_is_active: bool,
) -> Searched:
    """Search tables, logs and small files of the dataset; remove what holds the value and may go.

    Bodies are searched as they came and as `opened` gives them: compressed, or as base64, they hide what they hold.
    `read_until` is, by table, the version up to which whoever reads it by version has read it.
    """
    tally = _Tally()
    for stage, uri in uris.items():
        folder = paths.table(stage, dataset, history=OF_ITEMS[0] in uris)
        _search_table(folder, uri, Search(needle, opened), tally, read_until[stage], nobody_is_active)
    table = paths.table("deleted", dataset) + "/"
    for path in storage.files("_lakepost"):
        if path.split("/")[2:3] in ([dataset], [f"{dataset}.json"]) and not path.startswith(table):
            content = storage.get(path) or b""
            tally.files, tally.bytes = tally.files + 1, tally.bytes + len(content)
            if needle.is_in(content) and path.startswith(_REPORTS):
                storage.delete(path)
                tally.removed += 1
            elif needle.is_in(content):
                tally.found.append(path)
    return Searched(
        files=tally.files,
        bytes=tally.bytes,
        unreadable=tally.unreadable,
        removed=tally.removed,
        found=tuple(tally.found),
        waiting=tuple(tally.waiting),
    )


def _search_table(
    name: str,
    uri: str,
    search: Search,
    tally: _Tally,
    read_until: int,
    nobody_is_active: bool,  # noqa: FBT001
) -> None:
    """Listed first, then compared with the log: what a writer commits in between is live by then."""
    folder = files_in(uri)
    listed = _listed(folder)
    known = _known(uri, folder, read_until)
    old = dt.datetime.now(dt.UTC) - dt.timedelta(hours=SPARED_HOURS)
    logged = []
    for file in listed:
        hit, unreadable = _holds(folder, file, search, is_live=file.path in known.live)
        tally.files, tally.bytes = tally.files + 1, tally.bytes + (file.size or 0)
        tally.unreadable += unreadable
        if not hit:
            continue
        if file.path.startswith(_LOG):
            logged.append(file.path)
            continue
        is_over = file.path in known.named or nobody_is_active or (file.mtime or old) < old
        if file.path in known.live or (is_over and file.path in known.unread):
            tally.found.append(f"{name}/{file.path}")
        elif is_over:
            folder.delete_file(file.path)
            tally.removed += 1
        else:
            tally.found.append(f"{name}/{file.path}")
            tally.waiting.append(f"{name}/{file.path}")
    if logged:
        tally.removed += _clean_log(uri, folder, read_until)
        tally.found += [f"{name}/{path}" for path in logged if folder.get_file_info(path).type != fs.FileType.NotFound]


def _listed(folder: fs.FileSystem) -> list[fs.FileInfo]:
    found = folder.get_file_info(fs.FileSelector("", recursive=True))
    return sorted((file for file in found if file.type == fs.FileType.File), key=lambda file: str(file.path))


def _known(uri: str, folder: fs.FileSystem, read_until: int) -> _Known:
    table = open_table(uri)
    live = frozenset(unquote(path) for path in pa.table(table.get_add_actions(flatten=True))["path"].to_pylist())
    named: set[str] = set()
    unread: set[str] = set()
    for version, actions in _commits(folder):
        kinds = {
            kind: [unquote(one[kind]["path"]) for one in actions if kind in one] for kind in ("add", "remove", "cdc")
        }
        named.update(path for added in kinds.values() for path in added)
        info = next((one["commitInfo"] for one in actions if "commitInfo" in one), {})
        if version > read_until and appends(info):
            unread.update(kinds["add"])
    return _Known(live, frozenset(named), frozenset(unread))


def _commits(folder: fs.FileSystem) -> Iterator[tuple[int, list[dict[str, dict[str, str]]]]]:
    for file in folder.get_file_info(fs.FileSelector(_LOG.rstrip("/"))):
        stem, _, suffix = str(file.base_name).partition(".")
        if suffix == "json" and stem.isdecimal():
            with folder.open_input_stream(file.path) as stream:
                yield int(stem), [json.loads(line) for line in stream.read().splitlines() if line.strip()]


def _holds(folder: fs.FileSystem, file: fs.FileInfo, search: Search, *, is_live: bool) -> tuple[bool, int]:
    """Whether the file holds the value, and how many bodies in it are no text that could be searched."""
    unreadable = 0
    try:
        if not str(file.path).endswith(".parquet"):
            with folder.open_input_stream(file.path) as stream:
                return search.needle.is_in(stream.read()), 0
        with folder.open_input_file(file.path) as source:
            for batch in pq.ParquetFile(source).iter_batches(_BATCH_ROWS):
                if search.finds(batch):
                    return True, unreadable
                if is_live:
                    unreadable += search.unreadable(batch)
    except FileNotFoundError:
        return False, 0  # somebody else's vacuum or compaction was faster
    except pa.ArrowException:
        return not is_live, 0  # half a file of a killed writer: who knows
    return False, unreadable


def _clean_log(uri: str, folder: fs.FileSystem, read_until: int) -> int:
    """Put what the table is into a checkpoint, and remove what came before it and was read; returns how many files.

    The log of a table made before its statistics were confined may quote values. A reader that is at an older version
    right now fails and looks again.
    """
    table = open_table(uri)
    table.create_checkpoint()
    removed = 0
    for file in folder.get_file_info(fs.FileSelector(_LOG.rstrip("/"))):
        stem = str(file.base_name).partition(".")[0]
        if stem.isdecimal() and int(stem) < table.version() and int(stem) <= read_until:
            folder.delete_file(file.path)
            removed += 1
    return removed
