"""The page that Airflow shows for a dataset (`doc_md`), written from its contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ingest.errors import ContractError
from ingest.model.container import ContainerBinding, FeedMode
from ingest.model.contract import CHANGE_COLUMNS, Column, Contract, LogicalType, Protection, QueueBinding
from ingest.model.expectation import Expectation

__all__ = ["broken_document", "contract_document"]


def contract_document(contract: Contract) -> str:
    """Markdown: what the dataset is, its columns and rules, where it comes from and how to read it."""
    return "\n\n".join(
        [
            f"# {contract.dataset}\n\n{contract.description.strip()}",
            f"Contract {contract.version}, owner: {contract.owner or 'nobody named'}.",
            _source(contract),
            *([] if contract.container is None else [_runs(contract.container)]),
            _columns(contract),
            _rules(contract),
            _gate(contract),
            _reading(contract),
        ]
    )


def broken_document(dataset: str, error: ContractError) -> str:
    """Markdown for a dataset whose contract cannot be used: the error, and what happens meanwhile."""
    return (
        f"# {dataset}: the contract is broken\n\n```\n{error}\n```\n\nNothing is read from its source until it is"
        " mended: messages wait in their queue, changes of a container in its feed for as long as the account keeps"
        " them. `lakepost doctor` checks every contract."
    )


def _source(contract: Contract) -> str:
    schedule = f"`{contract.schedule}` (UTC)" if contract.schedule else "only when triggered"
    if contract.wake_on_messages:
        schedule += ", and as soon as messages wait"
    sources = [_queue(source) for source in contract.queues]
    if contract.container is not None:
        sources = _container(contract.container)
    listed = "\n".join(f"- {source}" for source in sources)
    return (
        f"## Source\n\n{listed}\n\nRuns {schedule}. The event date is read from"
        f" {', then '.join(f'`{rule}`' for rule in contract.event_time)}; an unreadable one, or one outside"
        f" {contract.first_date} to {contract.last_date}, is `1970-01-01`."
    )


def _queue(source: QueueBinding) -> str:
    keys = ", ".join(f"`{key}`" for key in source.routing_keys) or "none"
    exchange = f"{source.exchange_type} exchange `{source.exchange}`" if source.exchange else "the default exchange"
    told = f"RabbitMQ {exchange} → {source.queue_type} queue `{source.queue}`, routing keys {keys}"
    return f"{told}: dead letters, which wait in quarantine for a replay" if source.holds_dead_letters else told


_TOLD = {
    FeedMode.ALL_VERSIONS: (
        "Every change is a row of the history, deletes too; what was changed before the first run is not: that begins"
        " with the items that were there. Were changes ever kept for a shorter time than it took until the next run,"
        " a snapshot takes their place: it finds what was deleted meanwhile, not when, and no version in between."
    ),
    FeedMode.LATEST_VERSION: (
        "An item is a row each time that it is found changed, as it was by then. What this feed cannot tell: that an"
        " item was deleted, also by time to live, so that it stays in the table of the items that are there; versions"
        " between two runs; and whether an item is new."
    ),
}


def _container(container: ContainerBinding) -> list[str]:
    paths = ", ".join(f"`{path}`" for path in container.partition_key)
    ranges = "its physical ranges" if container.feed_ranges is None else f"{container.feed_ranges} feed ranges"
    told = f"Cosmos DB container `{container.name}`, partition key {paths}, read by {ranges}, mode `{container.mode}`"
    return [told, _TOLD[container.mode]]


def _runs(container: ContainerBinding) -> str:
    several = (
        " `feed_ranges` says by which feed ranges; each is landed by an instance of `land`. When one fails, the others"
        " stay landed and `curate` does not run: what they landed is pending, and the next run publishes all of it."
    )
    return (
        "## Runs\n\n`land` reads on from the continuation that raw's last commit names."
        f"{'' if container.feed_ranges == 1 else several} A run with **from_beginning** set takes a new snapshot of the"
        " container, also of one that was made again (`SourceReplaced`), and infers which items are gone. The extra"
        " `request_units` of the Connection `lakepost_cosmos` limits what a run may use."
    )


def _columns(contract: Contract) -> str:
    lines = ["## Columns", "", "| column | type | required | rules | description |", "|---|---|---|---|---|"]
    for name, column in _flat(contract.columns):
        description = column.description + "".join(f" [{mark}]" for mark in _marks(column))
        cells = (f"`{name}`", _type(column), "yes" if column.required else "", _bounds(column), description)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    if contract.keeps_history:
        hashed = ", the item's `key` as a keyed hash" if contract.hides_keys else ""
        lines += ["", f"Of each change also {_listed(CHANGE_COLUMNS)}{hashed}."]
    return "\n".join(lines)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _marks(column: Column) -> Iterator[str]:
    """The classification, and how curated has the column when not as it is."""
    if column.classification:
        yield column.classification
    if column.protection is not None:
        yield {Protection.HASH: "hashed in curated", Protection.DROP: "not in curated"}[column.protection]


def _flat(columns: tuple[Column, ...], prefix: str = "") -> Iterator[tuple[str, Column]]:
    """Every column and field with its path, `items[].sku` for a field of an array's objects."""
    for column in columns:
        path = prefix + column.name
        yield path, column
        yield from _flat(column.children, f"{path}.")
        if column.items is not None:
            yield from _flat(column.items.children, f"{path}[].")


def _type(column: Column) -> str:
    if column.type is LogicalType.DECIMAL:
        return f"decimal({column.precision}, {column.scale})"
    if column.type is LogicalType.ARRAY and column.items is not None:
        return f"array of {_type(column.items)}"
    return str(column.type)


def _bounds(column: Column) -> str:
    bounds = {
        "≥": column.minimum,
        "≤": column.maximum,
        "length ≥": column.min_length,
        "length ≤": column.max_length,
    }
    rules = [f"{sign} {value:g}" for sign, value in bounds.items() if value is not None]
    return ", ".join(rules + ([f"matches `{column.pattern}`"] if column.pattern else []))


def _rules(contract: Contract) -> str:
    lines = [f"- {_rule(expectation)}" for expectation in contract.expectations]
    return "\n".join(["## Rules", "", *(lines or ["None but the columns' types."])])


def _rule(expectation: Expectation) -> str:
    told = ", ".join(f"{key}={value!r}" for key, value in expectation.kwargs.items())
    return f"`{expectation.type}({told.replace('`', chr(39))})`" + (
        " (from the contract)" if expectation.derived else ""
    )


def _gate(contract: Contract) -> str:
    gate = contract.gate
    return (
        f"## Gate\n\nWhen more than {gate.max_rejected_share:.1%} of a batch of at least {gate.min_rows:,} rows is"
        " rejected, nothing of it is published, it stays pending and the run fails at once, naming the"
        " expectations. To go on: mend the producer or the contract and clear the task, or trigger this DAG with"
        " **accept** set, and the rejects go to quarantine while the rest is published."
    )


def _reading(contract: Contract) -> str:
    name = contract.dataset
    days = f"SELECT event_date, count(*) FROM curated.{name} GROUP BY ALL ORDER BY ALL"  # noqa: S608 - shown, not run
    rejects = f"SELECT reason, expectation, value, detail FROM quarantine.{name} LIMIT 20"  # noqa: S608 - same
    commands = [f"lakepost status {name}", f'lakepost sql "{days}"', f'lakepost sql "{rejects}"']
    if contract.keeps_history:
        changes = f"SELECT operation, count(*) FROM curated.{name}_changes GROUP BY ALL"  # noqa: S608 - same
        commands.insert(2, f'lakepost sql "{changes}"')
    report = (
        f"What Great Expectations says of each batch is a page in the lake, `_lakepost/reports/{name}/….html`; the log"
        " of the task `curate` names it."
    )
    return "\n".join(["## Reading it", "", "```", *commands, "```", "", report])


def _cell(text: str) -> str:
    """Text that cannot end a table cell or its row."""
    return " ".join(text.replace("|", r"\|").split())
