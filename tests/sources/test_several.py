"""Several queues of one dataset on a real broker: what an exchange spreads over them is landed by one run."""

from __future__ import annotations

import asyncio

import pytest

from ingest import api
from ingest.errors import TopologyError
from ingest.model.replay import Filter
from tests.live import Live
from tests.reading import rows_of
from tests.sources.test_dead_letters import declared
from tests.steps.shop import order


def spread(live: Live, *, consumers: int = 1, exchange_type: str = "x-consistent-hash") -> None:
    """Two queues for the contract's one, over which the exchange spreads by routing key."""
    queue = live.contract.queues[0].queue
    live.rewrite(f"queue: {queue}", f"queues: [{queue}.0, {queue}.1]\n          consumers: {consumers}")
    live.rewrite("exchangeType: topic", f"exchangeType: {exchange_type}")
    live.rewrite('["order.#"]', '["1"]')
    for source in live.contract.queues:
        asyncio.run(declared(live, source))


@pytest.fixture
def spreading(live: Live) -> Live:
    """A broker with the exchange type that spreads: its plugin comes with every broker, switched off."""
    enabled = live.broker.folder / "enabled_plugins"
    enabled.write_text("[rabbitmq_consistent_hash_exchange].\n")
    live.broker.ctl("eval", f'rabbit_plugins:ensure("{enabled}").')
    return live


def test_one_run_lands_all_queues(spreading: Live) -> None:
    spread(spreading, consumers=2)
    count = 200
    spreading.publish(order(f"e{number}")._replace(routing_key=f"order.{number}") for number in range(count))
    assert api.land(spreading.settings, spreading.dataset).landed == count
    rows = rows_of((spreading.lake / "raw" / "orders").as_uri()).to_pylist()
    assert {row["event_id"] for row in rows} == {f"e{number}" for number in range(count)}
    assert {row["source"].rpartition(".")[2] for row in rows} == {"0", "1"}
    assert api.curate(spreading.settings, spreading.dataset).curated == count
    assert not api.quarantine_rows(spreading.settings, spreading.dataset, Filter(), 1)[0]


def test_a_queue_that_is_not_as_the_contract_says_is_told_by_name(live: Live) -> None:
    live.publish([order("e1")])
    queue = live.contract.queues[0].queue
    more = f"queues: [{queue}, {{queue: {queue}.gifts, routingKeys: [gift]}}]"
    live.rewrite(f"queue: {queue}", more)
    asyncio.run(declared(live, live.contract.queues[1]))
    live.rewrite("queueType: quorum", "queueType: quorum\n          arguments: {x-max-length: 9}")
    with pytest.raises(TopologyError, match="x-max-length"):
        api.land(live.settings, live.dataset)
