"""What the emulator keeps: one SQLite file in write-ahead mode, one writer, every answer after its commit.

A process that dies loses nothing that it answered (a machine that loses power may: commits do not wait for the disk).
Log sequence numbers (LSN) belong to a partition key range: one per transaction that touches it. Children of a split go
on from their parent's, a merged range from the higher of its parents'; items keep theirs.
"""

from __future__ import annotations

import contextlib
import fcntl
import secrets
import sqlite3
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["Store"]

_SCHEMA: Final = """
create table if not exists settings (name text primary key, value text) without rowid;
create table if not exists databases (
  rid text primary key, id text unique, ts integer, etag text) without rowid;
create table if not exists containers (
  no integer primary key autoincrement, rid text unique, database text, id text, definition text, ts integer,
  etag text, throughput integer, ranges_version integer default 1, unique (database, id));
create table if not exists ranges (
  container integer, id integer, low text, high text, parents text, lsn integer, version integer, gone integer,
  pruned integer default 0, ts integer, primary key (container, id)) without rowid;
create table if not exists items (
  seq integer primary key autoincrement, container integer, range integer, epk text, key text, id text, born integer,
  body blob, etag text, ts integer, ttl integer, lsn integer);
create unique index if not exists items_identity on items (container, epk, key, id);
create index if not exists items_feed on items (container, range, lsn, seq);
create index if not exists items_ttl on items (container, ttl, ts);
create table if not exists changes (
  seq integer primary key, container integer, range integer, epk text, lsn integer, ts integer, change blob);
create index if not exists changes_feed on changes (container, range, lsn, seq);
create index if not exists changes_age on changes (container, ts);
"""


class Store:
    """The file of one account in `folder`, made when missing, held by one process at a time.

    `key` is the account's master key (base64 of 64 bytes), kept with the data.

    Raises:
        BlockingIOError: another process holds the folder.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = (folder / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.db = sqlite3.connect(folder / "account.sqlite", isolation_level=None, check_same_thread=False)
        self.db.executescript("pragma journal_mode=wal; pragma synchronous=normal; pragma cache_size=-65536;")
        self.db.executescript(_SCHEMA)
        self.key = self.setting("key", b64encode(secrets.token_bytes(64)).decode())
        self._offset = float(self.setting("clock", "0"))

    def setting(self, name: str, default: str) -> str:
        """The value kept under `name`; `default` is kept when there is none."""
        self.db.execute("insert or ignore into settings values (?, ?)", (name, default))
        return str(self.db.execute("select value from settings where name = ?", (name,)).fetchone()[0])

    def keep(self, name: str, value: str) -> None:
        """Replace the value kept under `name`."""
        self.db.execute("insert or replace into settings values (?, ?)", (name, value))

    @property
    def offset(self) -> float:
        """Seconds by which the account's clock is ahead of this machine's; negative for behind."""
        return self._offset

    @offset.setter
    def offset(self, seconds: float) -> None:
        self._offset = seconds
        self.keep("clock", repr(seconds))

    def now(self) -> int:
        """The account's time, seconds since 1970: what `_ts`, expiry and retention go by."""
        return int(time.time() + self._offset)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; within another transaction, a part of that one."""
        if self.db.in_transaction:
            yield self.db
            return
        self.db.execute("begin immediate")
        try:
            yield self.db
        except BaseException:
            self.db.execute("rollback")
            raise
        self.db.execute("commit")

    def close(self) -> None:
        """Let go of the folder."""
        self.db.close()
        self._lock.close()
