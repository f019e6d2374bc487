"""dlt with a resource that reads a queue by pika, to Parquet in a local folder: what land is compared with.

Runs in a venv of its own. There are two resources, and both acknowledge before anything is written: dlt writes a load
when a resource has ended, and has no call for when that is done. What a crash finds between the two is lost.

- `plain` is pika's example of `consume` with a `yield` in it: a row for each message, and an acknowledgement. No
  prefetch is set, as there.
- `paged` follows dlt's advice to yield pages instead of rows, acknowledges by the page, parses with orjson, and has a
  prefetch that suits the queue.

usage: with_dlt_pika.py plain|paged URL QUEUE COUNT PREFETCH OUT
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import orjson
import pika
from dlt.destinations import filesystem

_PAGE = 1_000
_IDLE_SECONDS = 1.0

Row = dict[str, Any]


@dlt.resource(name="orders")  # type: ignore[untyped-decorator]  # dlt is not in this venv
def plain(url: str, queue: str, count: int, prefetch: int) -> Iterator[Row]:
    """The bodies, parsed, one by one."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    for method, _, body in channel.consume(queue, inactivity_timeout=_IDLE_SECONDS):
        if method is None:
            break
        yield json.loads(body)
        channel.basic_ack(method.delivery_tag)
        if method.delivery_tag == count:  # else an idle second would count as well
            break
    channel.cancel()
    connection.close()


@dlt.resource(name="orders", max_table_nesting=0)  # type: ignore[untyped-decorator]  # as above
def paged(url: str, queue: str, count: int, prefetch: int) -> Iterator[list[Row]]:
    """The bodies, parsed, in pages."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=prefetch)
    page: list[Row] = []
    for taken, (method, _, body) in enumerate(channel.consume(queue), 1):
        page.append(orjson.loads(body))
        if len(page) == _PAGE or taken == count:
            channel.basic_ack(method.delivery_tag, multiple=True)
            yield page
            page = []
        if taken == count:
            break
    connection.close()


def main() -> None:
    """Load the queue into OUT; print rows a second, from the first message asked for to the last file written."""
    kind, url, queue, count, prefetch, folder = sys.argv[1:]
    out = Path(folder).resolve()
    pipeline = dlt.pipeline(
        "bench", destination=filesystem(bucket_url=out.as_uri()), dataset_name="lake", pipelines_dir=str(out / "state")
    )
    resource = {"plain": plain, "paged": paged}[kind](url, queue, int(count), int(prefetch))
    begun = time.perf_counter()
    pipeline.run(resource, loader_file_format="parquet").raise_on_failed_jobs()
    seconds = time.perf_counter() - begun
    rows = pipeline.last_trace.last_normalize_info.row_counts["orders"]
    if rows != int(count):
        raise SystemExit(f"{rows} rows were written, not {count}")
    print(rows / seconds)  # noqa: T201 - the answer to whoever started it


if __name__ == "__main__":
    main()
