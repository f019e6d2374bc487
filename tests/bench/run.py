"""`make bench`: land at the broker's speed. Messages a second of five readers, on both kinds of queue, in two sizes.

- `land`: `lakepost land`, committed and acknowledged;
- `c`: the C reader (rabbitmq-c), which keeps nothing: the broker's own speed;
- `aio-pika`: a bare consumer of aio-pika, which keeps nothing;
- `dlt-plain`: dlt with the resource that its and pika's documentation lead to: a row, and an acknowledgement, for each
  message, to Parquet. The floors are held against this one, as a resource of its kind set them;
- `dlt-paged`: the same in pages, tuned as far as dlt lets one. It has no floor.

Both of dlt acknowledge before anything is written, so a crash loses rows; land does not. They are left out, with a
sentence, where dlt cannot be installed.

They take turns on the same backlog, published anew for each, so that the machine's mood falls on all of them. Ratios
are of each round's rates: their median, the lowest and the highest; absolute rates are this machine's. The slow readers
(all but land and C) have fewer rounds. A classic queue of this length is paged by the broker; `classic, short` is one
that it still has in memory. `--memory` lands 100,000, 1 and 3 million messages and tells the peak memory instead.
The result is written to `tests/bench/results/`.

usage: run.py [--messages N] [--rounds N] [--slow-rounds N] [--sizes N,N] [--kinds K,K] [--readers R,R] [--memory]
              [--anchor FILE.c]
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from backlog import published
from broker import Broker
from curate import ROOT, peers_installed
from readers import Drain, Stand, built_anchor, schemas_of

ANCHOR = ROOT.parent / "shared" / "anchors" / "amqp_read_limit.c"
RESULTS = ROOT / "tests" / "bench" / "results"
NAMES = {
    "land": "land",
    "c": "C reader",
    "aio-pika": "aio-pika",
    "dlt-plain": "dlt, plain resource",
    "dlt-paged": "dlt, paged resource that acknowledges before it writes",
}
"""What `--readers` can choose, and what each is called in the results."""

FAST = ("land", "c")
FLOORS = {
    "classic": {"c": 0.8, "dlt-plain": 2.5},
    "quorum": {"c": 0.5, "aio-pika": 3.0, "dlt-plain": 5.0},
}
SHORT = 30_000
MEMORY = (100_000, 1_000_000, 3_000_000)
console = Console(width=120)

Readers = dict[str, Callable[[int], Drain]]


def in_turns(stand: Stand, readers: Readers, count: int, size: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Each reader in turn on a new backlog, round after round; what each of them showed."""
    runs: dict[str, list[Drain]] = {name: [] for name in readers}
    for turn in range(arguments.rounds):
        for name, reader in readers.items():
            if turn >= arguments.slow_rounds and name not in FAST:
                continue
            published(stand.broker.url, count, size)
            runs[name].append(reader(count))
            one = runs[name][-1]
            console.print(
                f"  {turn + 1}/{arguments.rounds} {NAMES[name]}: {one.rate:,.0f}/s, processor {one.cpu:.1f} s"
            )
    return {NAMES[name]: figures(found, runs["land"]) for name, found in runs.items()}


def figures(found: Sequence[Drain], land: Sequence[Drain]) -> dict[str, Any]:
    """Medians of a reader's runs, and land's rate against it, round by round."""
    ratios = [one.rate / other.rate for one, other in zip(land, found, strict=False)]
    return {
        "per_second": statistics.median(run.rate for run in found),
        "runs": [round(run.rate) for run in found],
        "cpu_seconds": statistics.median(run.cpu for run in found),
        "peak_mb": max(run.megabytes for run in found),
        "land_is": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
    }


def chosen(stand: Stand, arguments: argparse.Namespace, folder: Path) -> Readers:
    """The readers that were asked for and can be had; land is always one of them."""
    wanted = set(arguments.readers if arguments.slow_rounds else FAST)
    readers: Readers = {"land": stand.land}
    if "c" in wanted and (anchor := built_anchor(arguments.anchor, folder, console.print)) is not None:
        readers["c"] = functools.partial(stand.c_reader, anchor)
    if "aio-pika" in wanted:
        readers["aio-pika"] = stand.aio_pika
    resources = {"dlt-plain": "plain", "dlt-paged": "paged"}
    if wanted.intersection(resources) and peers_installed():
        readers |= {
            name: functools.partial(stand.dlt, resource) for name, resource in resources.items() if name in wanted
        }
    return readers


def compared(kind: str, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All readers on one kind of queue."""
    results: dict[str, Any] = {}
    with Broker(folder / "broker", tied=True) as broker:
        stand = Stand(broker, schemas_of(kind, folder), 2_000 if kind == "quorum" else 20_000)
        stand.declare()
        readers = chosen(stand, arguments, folder)
        fast = {name: reader for name, reader in readers.items() if name in FAST}
        for size in arguments.sizes:
            console.print(f"{kind} queue, {arguments.messages:,} messages of {size} bytes")
            results[f"{kind}, {size} B"] = in_turns(stand, readers, arguments.messages, size, arguments)
        if kind == "classic" and arguments.messages > SHORT:
            console.print(f"classic queue, {SHORT:,} messages of {arguments.sizes[0]} bytes")
            results["classic, short"] = in_turns(stand, fast, SHORT, arguments.sizes[0], arguments)
    return results


def memory(folder: Path) -> dict[str, float]:
    """Peak memory of land in MB, by the number of messages that waited."""
    found: dict[str, float] = {}
    with Broker(folder / "broker", tied=True) as broker:
        stand = Stand(broker, schemas_of("quorum", folder), 2_000)
        stand.declare()
        for count in MEMORY:
            published(broker.url, count, 220)
            drained = stand.land(count)
            found[f"{count:,}"] = drained.megabytes
            console.print(f"{count:,} messages: {drained.megabytes:.0f} MB, {drained.rate:,.0f}/s")
    return found


def shown(results: dict[str, Any]) -> Table:
    """What was found, as a table."""
    table = Table("queue", "reader", "per second", "land is (min to max)", "floor", "processor s", "peak MB")
    for queue, readers in results.items():
        floors = {NAMES[name]: floor for name, floor in FLOORS[queue.partition(",")[0]].items()}
        for name, found in readers.items():
            ratio = found["land_is"]
            against = "" if name == "land" else f"{ratio['median']:.2f} x ({ratio['min']:.2f} to {ratio['max']:.2f})"
            floor = "" if queue.endswith("short") else floors.get(name, "")
            rate, peak = f"{found['per_second']:,.0f}", f"{found['peak_mb']:.0f}"
            table.add_row(queue, name, rate, against, str(floor), f"{found['cpu_seconds']:.1f}", peak)
    return table


def listed(text: str) -> list[str]:
    """An option that takes several values."""
    return text.split(",")


def readers_of(text: str) -> list[str]:
    """The names of readers that an option lists."""
    if unknown := set(listed(text)).difference(NAMES):
        raise argparse.ArgumentTypeError(f"no such reader: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return listed(text)


def main() -> None:
    """Measure and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--slow-rounds", type=int, default=3, help="of all but land and C; 0 leaves them out")
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in listed(text)], default=[220, 2_000])
    parser.add_argument("--kinds", type=listed, default=["classic", "quorum"])
    parser.add_argument("--readers", type=readers_of, default=list(NAMES), help="of " + ",".join(NAMES))
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--anchor", type=Path, default=ANCHOR)
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="lakepost-bench-") as folder:
        if arguments.memory:
            written, results = "drain-memory.json", memory(Path(folder))
        else:
            written = "drain.json"
            for kind in arguments.kinds:
                results |= compared(kind, arguments, Path(tempfile.mkdtemp(dir=folder)))
            console.print(shown(results))
            results = {"messages": arguments.messages, "rounds": arguments.rounds} | results
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / written).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
