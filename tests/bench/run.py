"""`make bench`: the rate of land against a C reader that keeps nothing, and the rate of curate.

Queues of both kinds get the same backlog; readers take turns on them in one run, so that the machine's mood
falls on all of them. Ratios are what to read; absolute rates are this machine's. The result is written to
`tests/bench/results/`.

usage: run.py [--messages N] [--pairs N] [--anchor FILE.c]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

import shop
import shop_publish
from broker import Broker
from process import measured

ROOT = Path(__file__).resolve().parents[2]
ANCHOR = ROOT.parent / "shared" / "anchors" / "amqp_read_limit.c"
QUEUE = "lakepost.orders"
console = Console()


@dataclass(frozen=True)
class Run:
    """One reader's run: messages (or rows) per second, and the peak memory of its process in MB."""

    rate: float
    megabytes: float


def built_anchor(source: Path, folder: Path) -> Path | None:
    """The C reader, compiled; null, and a sentence that says why, where it cannot be had."""
    if not source.exists():
        console.print(f"no C reader to compare with: {source.name} is not there (see --anchor)")
        return None
    if shutil.which("gcc") is None or not Path("/usr/include/amqp.h").exists():
        console.print("no C reader to compare with: apt-get install gcc librabbitmq-dev")
        return None
    binary = folder / "anchor"
    subprocess.run(["gcc", "-O2", str(source), "-lrabbitmq", "-o", str(binary)], check=True)
    return binary


def lakepost(verb: str, environment: dict[str, str]) -> Run:
    """A `lakepost` verb over `orders`, committed and acknowledged."""
    found = measured([Path(sys.executable).with_name("lakepost"), verb, "orders", "--json"], environment)
    account: dict[str, Any] = json.loads(found.out)
    return Run(account["landed"] / account["seconds"], found.megabytes)


def anchor(binary: Path, broker: Broker, messages: int, prefetch: int) -> Run:
    """The C reader over the same backlog."""
    user, password = broker.url.removeprefix("amqp://").split("@")[0].split(":")
    where = ["127.0.0.1", str(broker.port), "/", user, password, QUEUE, str(messages), str(prefetch)]
    found = measured([binary, *where], {})
    return Run(float(found.out.split()[0]), found.megabytes)


def environment_of(folder: Path, broker: Broker, schemas: Path) -> dict[str, str]:
    """Settings for one lake."""
    return {
        "LAKEPOST_LAKE_URL": (folder / "lake").as_uri(),
        "LAKEPOST_RABBITMQ_URL": broker.url,
        "LAKEPOST_SCHEMAS_DIR": str(schemas),
    }


def schemas_of(kind: str, folder: Path) -> Path:
    """The shipped contracts, with `orders` on a queue of `kind`."""
    copied = folder / "schemas"
    shutil.copytree(ROOT / "schemas", copied)
    contract = copied / "orders" / "contract.odcs.yaml"
    contract.write_text(contract.read_text().replace("queueType: quorum", f"queueType: {kind}"))
    return copied


def compare(kind: str, arguments: argparse.Namespace, folder: Path) -> dict[str, list[Run]]:
    """Land and the C reader in turn, each on a new backlog of the same messages; curate after the last land."""
    binary = built_anchor(arguments.anchor, folder)
    schemas = schemas_of(kind, folder)
    sent = list(shop.messages(arguments.messages, seed=1))
    runs: dict[str, list[Run]] = {"land": [], "C reader": [], "curate": []}
    with Broker(folder / "broker", tied=True) as broker:
        for pair in track(range(arguments.pairs), description=f"{kind} queue"):
            lake = folder / str(pair)
            environment = environment_of(lake, broker, schemas)
            lakepost("land", environment)  # declares the queue
            shop_publish.publish(broker.url, sent)
            runs["land"].append(lakepost("land", environment))
            if binary is not None:
                shop_publish.publish(broker.url, sent)
                runs["C reader"].append(anchor(binary, broker, len(sent), 2000 if kind == "quorum" else 20000))
            runs["curate"].append(lakepost("curate", environment))
    return {name: found for name, found in runs.items() if found}


def main() -> None:
    """Measure both kinds of queue and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--anchor", type=Path, default=ANCHOR)
    arguments = parser.parse_args()
    table = Table("queue", "reader", "per second (median)", "min", "max", "of the C reader", "peak MB")
    results: dict[str, Any] = {"messages": arguments.messages, "pairs": arguments.pairs}
    for kind in ("classic", "quorum"):
        with tempfile.TemporaryDirectory(prefix="lakepost-bench-") as folder:
            runs = compare(kind, arguments, Path(folder))
        limit = statistics.median(run.rate for run in runs["C reader"]) if "C reader" in runs else None
        for reader, found in runs.items():
            rates = [run.rate for run in found]
            median, peak = statistics.median(rates), max(run.megabytes for run in found)
            ratio = median / limit if limit and reader == "land" else None
            results[f"{kind} {reader}"] = {"per_second": median, "ratio_to_c": ratio, "peak_mb": peak, "runs": rates}
            cells = (f"{median:,.0f}", f"{min(rates):,.0f}", f"{max(rates):,.0f}", f"{ratio:.2f}" if ratio else "")
            table.add_row(kind, reader, *cells, f"{peak:.0f}")
    console.print(table)
    written = ROOT / "tests" / "bench" / "results" / "drain.json"
    written.parent.mkdir(exist_ok=True)
    written.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
