"""The local Cosmos as a process: what it keeps when it ends in order, when it is killed, and whom it lets in."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from azure.cosmos import CosmosClient, PartitionKey
from azure.cosmos.exceptions import CosmosHttpResponseError

from cosmos import Local, NotStarted
from tests.infra.cosmos_client import changes, fresh, ids, names, paged, position

ALL = "AllVersionsAndDeletes"


@pytest.mark.parametrize("end", [Local.stop, Local.kill])
def test_everything_is_there_after_a_restart(tmp_path: Path, end: object) -> None:
    """Items, ranges, positions of both feeds, the clock, the key and the port; and LSN and ids go on, not over."""
    assert callable(end)
    with Local(tmp_path) as account, fresh(account) as customers:
        database, name = names(customers)
        assert not changes(customers, mode=ALL)
        start = position(customers)
        account.split(database, name, "0")
        for number in range(20):
            customers.upsert_item({"id": f"c{number}", "country": f"k{number}"})
        low, high = customers.read_feed_ranges()
        pages = paged(customers, start_time="Beginning", feed_range=low, max_item_count=5)
        read = ids(list(next(pages)))
        after, endpoint, key = pages.continuation_token, account.endpoint, account.key
        ahead = account.clock(offset=100_000)
        end(account)
        account.start()
        assert (account.endpoint, account.key) == (endpoint, key)
        assert 0 <= account.clock() - ahead < 1000
        read += ids(changes(customers, continuation=after))
        read += ids(changes(customers, start_time="Beginning", feed_range=high))
        assert sorted(read) == sorted(f"c{n}" for n in range(20))
        customers.delete_item("c3", "k3")
        customers.upsert_item({"id": "c4", "country": "k4"})
        read_all = changes(customers, mode=ALL, continuation=start)
        assert len(read_all) == 22
        assert len({(one["metadata"]["lsn"], customers_range(one)) for one in read_all}) == 22


def customers_range(change: dict[str, dict[str, object]]) -> object:
    """An item's own identity stands for its range: LSNs repeat between ranges, not within one item."""
    return change["current"].get("_rid") or change["metadata"].get("id")


def test_what_was_answered_survives_a_kill_in_the_middle_of_writing(tmp_path: Path) -> None:
    """Every answered write is there, whole, in both feeds; of the unanswered ones at most the last."""
    with Local(tmp_path) as account, fresh(account) as customers:
        assert not changes(customers, mode=ALL)
        start = position(customers)
        answered: list[str] = []

        def write() -> None:
            try:
                for number in range(100_000):
                    customers.create_item({"id": f"c{number}", "country": f"k{number % 3}", "text": "x" * 1000})
                    answered.append(f"c{number}")
            except Exception:  # noqa: BLE001 - the client's errors of a dead connection are many
                return

        writer = threading.Thread(target=write)
        writer.start()
        until = time.monotonic() + 20
        while len(answered) < 50 and time.monotonic() < until:
            time.sleep(0.01)
        account.kill()
        account.start()
        account.fault(kind="write", status=403, times=1000)  # ends the writer, which retries
        writer.join(60)
        account.clear_faults()
        kept = ids(changes(customers, start_time="Beginning"))
        assert len(answered) >= 50
        assert kept[: len(answered)] == answered
        assert len(kept) <= len(answered) + 1
        assert ids(changes(customers, mode=ALL, continuation=start)) == kept


def test_a_folder_is_held_by_one_emulator(tmp_path: Path) -> None:
    with Local(tmp_path), pytest.raises(NotStarted):
        Local(tmp_path).start()


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, 'infra/local'); from pathlib import Path; from cosmos import Local\n"
        f"account = Local(Path({str(tmp_path)!r})); account.start(); print('up', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        parent.kill()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            with Local(tmp_path):
                return
        except NotStarted:
            time.sleep(0.05)
    pytest.fail("the emulator still holds its folder")


def test_a_wrong_key_is_told_so_in_the_services_words(cosmos_account: Local) -> None:
    wrong = "A" * 86 + "=="
    with pytest.raises(CosmosHttpResponseError, match="The wrong key is being used") as refused:
        CosmosClient(cosmos_account.endpoint, wrong).create_database("x")
    assert refused.value.status_code == 401


def test_names_with_letters_of_every_kind_are_signed_alike(cosmos_account: Local) -> None:
    with CosmosClient(cosmos_account.endpoint, cosmos_account.key) as client:
        database = client.create_database("Größe +%41 'n")
        container = database.create_container("Käufer & Co", PartitionKey("/k"))
        container.create_item({"id": "1", "k": "1"})
        assert ids(changes(container, start_time="Beginning")) == ["1"]
        client.delete_database(database)
