"""Publishing the shop's messages: the broker gets all of them, and only what it confirmed is told."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import threading
from collections.abc import Iterator

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from pamqp import commands
from pamqp.base import Frame
from pamqp.frame import marshal

import shop
import shop_publish
from broker import Broker, free_port
from ingest.model.contract import QueueBinding


async def declare(url: str, binding: QueueBinding) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_exchange(binding.exchange, "topic", durable=True)
        queue = await channel.declare_queue(binding.queue, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(binding.exchange, binding.routing_keys[0])


async def drain(url: str, binding: QueueBinding) -> list[AbstractIncomingMessage]:
    """All that the queue holds, in order."""
    got: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(binding.queue, passive=True)
        count = queue.declaration_result.message_count or 0
        await queue.consume(got.put, no_ack=True)
        return [await asyncio.wait_for(got.get(), timeout=30) for _ in range(count)]


def test_the_queue_gets_every_message_as_it_was_made(broker: Broker, queue_binding: QueueBinding) -> None:
    asyncio.run(declare(broker.url, queue_binding))
    sent = list(shop.messages(2500, seed=7))
    told: list[shop.Sent] = []
    assert shop_publish.publish(broker.url, sent, exchange=queue_binding.exchange, progress=told.extend) == 2500
    assert told == sent
    for original, got in zip(sent, asyncio.run(drain(broker.url, queue_binding)), strict=True):
        assert (got.body, got.routing_key, got.message_id) == (original.body, original.routing_key, original.message_id)
        assert (got.type, dict(got.headers)) == (original.type, original.headers)
        assert (got.content_type, got.delivery_mode) == ("application/json", 2)
        if original.timestamp is None or original.timestamp.year < 9999:  # the client reads 9999 as milliseconds
            assert got.timestamp == original.timestamp


def test_a_message_that_no_queue_takes_is_an_error(broker: Broker, queue_binding: QueueBinding) -> None:
    asyncio.run(declare(broker.url, queue_binding))
    lost = [dataclasses.replace(sent, routing_key="invoice.sent") for sent in shop.messages(3, seed=1)]
    with pytest.raises(shop_publish.PublishFailed, match=r"no queue takes routing key 'invoice\.sent'"):
        shop_publish.publish(broker.url, lost, exchange=queue_binding.exchange)


def test_an_exchange_that_is_not_there_is_an_error(broker: Broker) -> None:
    with pytest.raises(shop_publish.PublishFailed, match="NOT_FOUND - no exchange 'nowhere'"):
        shop_publish.publish(broker.url, shop.messages(3, seed=1), exchange="nowhere")


def test_a_wrong_password_and_a_broker_that_is_away_are_errors(broker: Broker) -> None:
    with pytest.raises(shop_publish.PublishFailed, match="ACCESS_REFUSED"):
        shop_publish.publish(f"amqp://lakepost:wrong@127.0.0.1:{broker.port}/", [])
    with pytest.raises(shop_publish.PublishFailed, match="no broker at 127"):
        shop_publish.publish(f"amqp://lakepost:wrong@127.0.0.1:{free_port()}/", [])


@contextlib.contextmanager
def broker_that_answers(*frames: Frame) -> Iterator[str]:
    """A port that opens connection and channel, swallows what is published, says `frames` and hangs up."""
    handshake: tuple[tuple[int, Frame], ...] = (
        (0, commands.Connection.Start()),
        (0, commands.Connection.Tune(1, 131_072, 0)),
        (0, commands.Connection.OpenOk()),
        (1, commands.Channel.OpenOk()),
        (1, commands.Confirm.SelectOk()),
    )

    def serve() -> None:
        wire, _ = listener.accept()
        with wire:
            for channel, frame in handshake:
                wire.recv(65_536)
                wire.sendall(marshal(frame, channel))
            wire.recv(65_536)
            wire.sendall(b"".join(marshal(frame, 1) for frame in frames))
            wire.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while wire.recv(65_536):  # until the publisher has given up
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"amqp://lakepost:lakepost@127.0.0.1:{listener.getsockname()[1]}/"
        thread.join(timeout=30)


def test_only_confirmed_messages_are_told_when_the_broker_dies() -> None:
    told: list[shop.Sent] = []
    out_of_order = commands.Basic.Ack(1900), commands.Basic.Ack(600, multiple=True)
    with (
        broker_that_answers(*out_of_order) as url,
        pytest.raises(shop_publish.PublishFailed, match=r"closed the connection|no answer|no more bytes"),
    ):
        shop_publish.publish(url, shop.messages(2000, seed=1), progress=told.extend)
    assert [sent.n for sent in told] == list(range(500))


def test_a_message_that_the_broker_cannot_keep_is_an_error() -> None:
    told: list[shop.Sent] = []
    refusal = commands.Basic.Ack(1, multiple=True), commands.Basic.Nack(2)
    with broker_that_answers(*refusal) as url, pytest.raises(shop_publish.PublishFailed, match="nack"):
        shop_publish.publish(url, shop.messages(3, seed=1), progress=told.extend)
    assert told == []
