"""The local Cosmos against a model: whatever is written, split and merged, both feeds lead to what is held."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from cosmos.errors import Refused
from cosmos.ranges import Range
from cosmos.service import Service
from cosmos.store import Store
from cosmos.wire import Reply, call_of

_DOCS = "/dbs/shop/colls/customers/docs"

Key = tuple[str, str]


class Account:
    """A service without its socket."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.service = Service(self.store, retention=3600, ranges=2)
        self.ask("POST", "/dbs", {"id": "shop"})
        self.ask("POST", "/dbs/shop/colls", {"id": "customers", "partitionKey": {"paths": ["/country"]}})
        self.container = self.service.resources.container("shop", "customers")

    def ask(self, verb: str, path: str, body: Any = None, key: str | None = None, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            named["x-ms-documentdb-partitionkey"] = json.dumps([key])
        data = b"" if body is None else json.dumps(body).encode()
        return self.service.answer(call_of(verb, path, named, data, "http://local"))

    def ranges(self) -> list[Range]:
        return self.service.ranges.current(self.container)

    def items(self) -> dict[Key, int]:
        found: dict[Key, int] = {}
        after: dict[str, str] = {}
        while True:
            page = self.ask("GET", _DOCS, x_ms_max_item_count="7", **after)
            found |= {(one["id"], one["country"]): one["n"] for one in json.loads(page.body)["Documents"]}
            if "x-ms-continuation" not in page.headers:
                return found
            after = {"x_ms_continuation": page.headers["x-ms-continuation"]}


class Reader:
    """Reads one feed as an SDK does: a token per part of the hash space, parts that split, ranges that merge."""

    def __init__(self, account: Account, *, everything: bool) -> None:
        self._account, self._everything = account, everything
        self._tokens: dict[tuple[str, str], str | None] = {("", "FF"): None}
        if everything:
            self._tokens = {(one.low, one.high): f'"{one.lsn}"' for one in account.ranges()}
        self.state: dict[Key, int] = {}
        self.seen: list[tuple[Key, int, int]] = []

    def step(self, chosen: random.Random) -> bool:
        """Read a page of one part; whether there was one."""
        part = chosen.choice(sorted(self._tokens))
        holding = [one for one in self._account.ranges() if one.low < part[1] and part[0] < one.high]
        if len(holding) > 1:
            token = self._tokens.pop(part)
            self._tokens |= {(max(one.low, part[0]), min(one.high, part[1])): token for one in holding}
            return True
        headers = {
            "a_im": "Full-Fidelity Feed" if self._everything else "Incremental feed",
            "x_ms_documentdb_partitionkeyrangeid": holding[0].id,
            "x_ms_start_epk": part[0],
            "x_ms_end_epk": part[1],
            "x_ms_max_item_count": str(chosen.randint(1, 5)),
        }
        token = self._tokens[part]
        page = self._account.ask("GET", _DOCS, **headers, **({"if_none_match": token} if token else {}))
        self._tokens[part] = page.headers["etag"]
        for change in json.loads(page.body)["Documents"] if page.body else []:
            self._apply(change)
        return page.status == 200

    def drain(self, chosen: random.Random) -> None:
        """Until every part has nothing new."""
        idle = 0
        while idle < 30 * len(self._tokens):
            idle = 0 if self.step(chosen) else idle + 1

    def _apply(self, change: dict[str, Any]) -> None:
        if not self._everything:
            key = change["id"], change["country"]
            self.state[key] = change["n"]
            self.seen.append((key, change["_lsn"], change["n"]))
            return
        meta, current = change["metadata"], change["current"]
        if meta["operationType"] == "delete":
            key = meta["id"], meta["partitionKey"]["country"]
            assert key in self.state, f"{key} was deleted before it was there"
            self.seen.append((key, meta["lsn"], self.state.pop(key)))
            return
        key = current["id"], current["country"]
        assert (meta["operationType"] == "create") == (key not in self.state)
        self.state[key] = current["n"]
        self.seen.append((key, meta["lsn"], current["n"]))


def write(account: Account, chosen: random.Random, number: int) -> None:
    """One write of any kind; what the model of the container refuses, it refuses."""
    name, country = f"c{chosen.randint(0, 12)}", f"k{chosen.randint(0, 9)}"
    body = {"id": name, "country": country, "n": number}
    kind = chosen.choice(["create", "upsert", "upsert", "replace", "delete", "batch"])
    try:
        if kind == "create":
            account.ask("POST", _DOCS, body, country)
        elif kind == "upsert":
            account.ask("POST", _DOCS, body, country, x_ms_documentdb_is_upsert="True")
        elif kind == "replace":
            account.ask("PUT", f"{_DOCS}/{name}", body, country)
        elif kind == "delete":
            account.ask("DELETE", f"{_DOCS}/{name}", None, country)
        else:
            operations: list[dict[str, Any]] = [
                {"operationType": "Upsert", "resourceBody": body | {"id": f"c{chosen.randint(0, 12)}", "n": number + i}}
                for i in range(4)
            ]
            if chosen.random() < 0.3:
                operations.append({"operationType": "Delete", "id": "never there"})
            headers = {"x_ms_cosmos_is_batch_request": "True", "x_ms_cosmos_batch_atomic": "True"}
            account.ask("POST", _DOCS, operations, country, **headers)
    except Refused as refused:
        assert refused.status in {404, 409}, kind  # noqa: PT017 - any other refusal is a fault of the emulator


def reshape(account: Account, chosen: random.Random) -> None:
    """A split or a merge somewhere, and a clock that jumps."""
    ranges = account.ranges()
    if len(ranges) < 6 and (len(ranges) < 2 or chosen.random() < 0.5):
        account.service.ranges.split(account.container, chosen.choice(ranges).id)
    else:
        at = chosen.randrange(len(ranges) - 1)
        account.service.ranges.merge(account.container, [ranges[at].id, ranges[at + 1].id])
    account.store.offset = chosen.randint(-500, 500)


@pytest.mark.parametrize("seed", range(3))
def test_readers_of_both_feeds_end_at_what_the_container_holds(tmp_path: Path, seed: int) -> None:
    chosen = random.Random(seed)
    account = Account(tmp_path)
    readers = [Reader(account, everything=bool(number % 2)) for number in range(4)]
    for number in range(0, 6000, 10):
        write(account, chosen, number)
        if chosen.random() < 0.05:
            reshape(account, chosen)
        if chosen.random() < 0.5:
            chosen.choice(readers).step(chosen)
    held = account.items()
    for reader in readers:
        reader.drain(chosen)
    account.store.close()
    assert held
    for reader in readers[1::2]:
        assert reader.state == held
        assert len(reader.seen) == len(set(reader.seen)), "a change was read twice"
    assert readers[1].seen != readers[3].seen
    assert sorted(readers[1].seen) == sorted(readers[3].seen)
    for reader in readers[::2]:
        assert {key: reader.state[key] for key in held} == held
        for key in held:
            lsns = [lsn for one, lsn, _ in reader.seen if one == key]
            assert lsns == sorted(set(lsns))
