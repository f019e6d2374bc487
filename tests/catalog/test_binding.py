"""The binding: one queue or several, their consumers, and where their dead letters go."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.model.contract import QueueBinding
from tests.catalog.orders import assert_says, mended, parsed, refused


def with_binding(**keys: Any) -> str:
    """The shipped contract with these keys of the binding; null takes one away."""

    def change(contract: dict[str, Any]) -> None:
        value = contract["servers"][0]["customProperties"][0]["value"]
        value |= keys
        for key in [key for key, given in value.items() if given is None]:
            del value[key]

    return mended(change)


def test_one_queue_has_one_consumer_and_no_dead_letters() -> None:
    assert parsed().queues == (QueueBinding("shop.events", "lakepost.orders", ("order.#",), "topic", "quorum"),)


def test_several_queues_are_declared_alike() -> None:
    names = ["lakepost.orders.0", "lakepost.orders.1"]
    document = with_binding(
        queue=None, queues=names, exchangeType="x-consistent-hash", routingKeys=["1"], queueType="classic", consumers=3
    )
    assert parsed(document).queues == tuple(
        QueueBinding("shop.events", name, ("1",), "x-consistent-hash", "classic", consumers=3) for name in names
    )


def test_each_queue_may_have_routing_keys_of_its_own() -> None:
    document = with_binding(
        queue=None, queues=[{"queue": "a", "routingKeys": ["order.placed"]}, "b"], routingKeys=["order.paid"]
    )
    assert [(one.queue, one.routing_keys) for one in parsed(document).queues] == [
        ("a", ("order.placed",)),
        ("b", ("order.paid",)),
    ]


def test_dead_letters_have_a_queue_which_the_other_queues_name_in_their_arguments() -> None:
    queue, dead = parsed(
        with_binding(deadLetter={"exchange": "dlx", "queue": "dead"}, arguments={"x-delivery-limit": 9})
    ).queues
    assert dict(queue.arguments) == {
        "x-delivery-limit": 9,
        "x-dead-letter-exchange": "dlx",
        "x-dead-letter-routing-key": "dead",
    }
    assert dead == QueueBinding("dlx", "dead", ("dead",), "direct", "classic", holds_dead_letters=True)
    assert parsed(with_binding(deadLetter={"queue": "dead"})).queues[1].exchange == ""


def test_a_policy_may_name_the_dead_letter_exchange() -> None:
    queue, _ = parsed(with_binding(deadLetter={"queue": "dead", "byPolicy": True})).queues
    assert queue.dead_letters_by_policy
    assert queue.arguments == ()


WRONG: list[tuple[dict[str, Any], list[str], str]] = [
    ({"queues": ["a"]}, ["value.queues (binding)", "`queue` too"], "keep one"),
    ({"queue": None, "queues": "a"}, ["value.queues", '"a" is not a list'], "[NAME, NAME]"),
    ({"queue": None, "queues": []}, ["value.queues", "not a list"], "[NAME, NAME]"),
    ({"queue": None, "queues": ["a", ""]}, ["value.queues[1]", '"" is not text'], "the server knows it"),
    ({"queue": None, "queues": ["a", "a"]}, ["value.queues[1]", '"a" is given twice'], "keep one"),
    ({"queue": None, "queues": [{"name": "a"}]}, ["value.queues[0].name", "unknown key"], "`queue`"),
    ({"queue": None, "queues": ["a", "b"]}, ["'a' and 'b' each a copy", "order.#"], "x-consistent-hash"),
    (
        {
            "queue": None,
            "exchangeType": "fanout",
            "queues": [{"queue": "a", "routingKeys": ["1"]}, {"queue": "b", "routingKeys": ["2"]}],
        },
        ["value.queues", "copy of each message"],
        "x-consistent-hash",
    ),
    ({"consumers": 0}, ["value.consumers (binding)", "0 is not a whole number"], "whole number"),
    ({"consumers": 2, "queueType": "stream"}, ["value.consumers (binding)", "one consumer"], "several streams"),
    ({"queueType": "stream", "deadLetter": {"queue": "d"}}, ["value.deadLetter", "gives nothing up"], "leave"),
    ({"deadLetter": "dead"}, ["value.deadLetter", "not a mapping"], "key: value"),
    ({"deadLetter": {"exchange": "dlx"}}, ["value.deadLetter.queue", "missing"], "write `queue"),
    ({"deadLetter": {"queue": "d", "routingkey": "k"}}, ["value.deadLetter.routingkey"], "`routingKey`"),
    ({"deadLetter": {"queue": "d", "routingKey": "k"}}, ["value.deadLetter", "default exchange"], "name the exchange"),
    ({"deadLetter": {"queue": "d", "queueType": "stream"}}, ["deadLetter.queueType"], "write one of"),
    ({"deadLetter": {"queue": "d", "byPolicy": "yes"}}, ["deadLetter.byPolicy", "not a boolean"], "true or false"),
    ({"deadLetter": {"queue": "lakepost.orders"}}, ["deadLetter.queue", "one of the queues"], "of its own"),
    (
        {"deadLetter": {"queue": "d"}, "arguments": {"x-dead-letter-exchange": "e"}},
        ["value.deadLetter", "x-dead-letter-exchange too"],
        "remove x-dead-letter-exchange",
    ),
    ({"consumers": True}, ["value.consumers (binding)", "true is not a whole number"], "whole number"),
]


@pytest.mark.parametrize(("keys", "says", "remedy"), WRONG)
def test_a_wrong_binding_is_refused(keys: dict[str, Any], says: list[str], remedy: str) -> None:
    assert_says(refused(with_binding(**keys)), *says, remedy=remedy)
