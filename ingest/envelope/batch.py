"""A batch of CloudEvents is several events: each becomes a delivery of its own."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.envelope import cloudevents, raw
from ingest.envelope.encoding import Broken, codings, decompressed
from ingest.model.delivery import Delivery

__all__ = ["split"]


def split(delivery: Delivery) -> Sequence[Delivery]:
    """The events of a delivery, in their order; most deliveries are one.

    The body of each is its element's very bytes, without compression. An element without an id of its own is
    `ID#PLACE`, counted from 0, where ID is the delivery's. A batch that cannot be read, or has no event in it, stays
    one delivery as it came: curate says what is wrong with it.
    """
    if not cloudevents.is_batch(delivery.content_type):
        return (delivery,)
    compressions = codings(delivery.content_encoding)
    if compressions is None:
        return (delivery,)
    try:
        bodies = cloudevents.elements(decompressed(delivery.body, compressions))
    except Broken:
        return (delivery,)
    whole = raw.identify(delivery).id
    return [
        delivery._replace(
            body=body, message_id=f"{whole}#{place}", content_type=cloudevents.EVENT, content_encoding=None
        )
        for place, body in enumerate(bodies)
    ]
