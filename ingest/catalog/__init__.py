"""The catalogue: `schemas/<dataset>/` → contracts, the one source of tables, expectations, documentation and DAGs.

Light enough for DAG parsing, and strict: a file that says what Lakepost does not understand, or would not
act on, is a `ContractError` that names file, line and field and says what to write instead.

    document     YAML and JSON as values that know their line
    odcs         the Open Data Contract Standard's own rules
    columns      properties → columns
    binding      the server → queues; `container` the same → a Cosmos DB container
    extensions   custom properties → identity, event time, gate, schedule
    sla          the service level's latency
    suite        suite.json → expectations; those that follow from the columns
    samples      deliveries with their verdicts
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ingest.catalog.binding import read_sources
from ingest.catalog.columns import read_columns
from ingest.catalog.document import Document, read_json, read_yaml, shown, suggestion
from ingest.catalog.extensions import read_extensions
from ingest.catalog.odcs import check
from ingest.catalog.samples import Sample, read_samples
from ingest.catalog.sla import read_latency
from ingest.catalog.suite import derived, read_suite
from ingest.errors import ContractError
from ingest.model.contract import Contract

__all__ = ["CONTRACT_FILE", "SUITE_FILE", "Sample", "derived", "load", "names", "parse", "samples"]

CONTRACT_FILE = "contract.odcs.yaml"
SUITE_FILE = "suite.json"
_DATASET = re.compile(r"[a-z][a-z0-9_]{0,62}")


def names(schemas_dir: Path) -> list[str]:
    """The datasets, sorted: every folder in `schemas_dir` whose name does not begin with `.` or `_`.

    Raises:
        ContractError: when `schemas_dir` is not a readable folder.
    """
    try:
        return sorted(entry.name for entry in schemas_dir.iterdir() if entry.is_dir() and entry.name[0] not in "._")
    except OSError as error:
        remedy = "set LAKEPOST_SCHEMAS_DIR to the folder with one folder per dataset"
        raise ContractError(f"{schemas_dir}: not a readable folder ({error.strerror})", remedy=remedy) from None


def load(schemas_dir: Path, dataset: str) -> Contract:
    """Read the contract and the suite in `schemas_dir/dataset`.

    Raises:
        ContractError: for a dataset or file that is not there, and all that `parse` refuses.
    """
    known = names(schemas_dir)
    folder = schemas_dir / dataset
    if dataset not in known:
        remedy = suggestion(dataset, known) if known else f"add {folder}/{CONTRACT_FILE} and {SUITE_FILE}"
        raise ContractError(f"{folder}: no such dataset", remedy=remedy)
    texts = (_text(folder / CONTRACT_FILE), _text(folder / SUITE_FILE))
    contract = parse(*texts, dataset=dataset, where=str(folder))
    if contract.keeps_history and f"{dataset}_changes" in known:
        problem = f"{folder}: the history of {dataset} is the table {dataset}_changes, and a dataset is called so, too"
        raise ContractError(problem, remedy=f"rename the folder {dataset}_changes")
    return contract


def parse(document: str, suite_document: str, *, dataset: str, where: str) -> Contract:
    """The contract that the two texts state; `where` is the folder, as errors name it.

    Raises:
        ContractError: naming file, line and field, and what to write instead.
    """
    if not _DATASET.fullmatch(dataset):
        remedy = "rename the folder: small letters, digits and `_`, beginning with a letter, up to 63"
        raise ContractError(f"{where}: {shown(dataset)} is not a name for a dataset", remedy=remedy)
    contract = read_yaml(document, f"{where}/{CONTRACT_FILE}")
    check(contract)
    name = contract.value.get("name")
    if name != dataset:
        problem = "missing" if name is None else f"{shown(name)} is not the folder's name"
        remedy = f"write `name: {dataset}`, or rename the folder"
        raise contract.wrong(("name",), problem, remedy=remedy)
    columns = read_columns(contract)
    queues, container = read_sources(contract, columns)
    suite = read_suite(read_json(suite_document, f"{where}/{SUITE_FILE}"), columns, dataset)
    return Contract(
        dataset=dataset,
        version=contract.value["version"],
        description=_description(contract),
        columns=columns,
        queues=queues,
        container=container,
        expectations=derived(columns) + suite,
        digest=hashlib.sha256(b"\0".join(text.encode() for text in (document, suite_document))).hexdigest(),
        document=document,
        latency=read_latency(contract),
        suite_document=suite_document,
        owner=(contract.value.get("team") or {}).get("name", ""),
        tags=tuple(contract.value.get("tags", ())),
        **read_extensions(contract, columns, queues, container),
    )


def samples(schemas_dir: Path, dataset: str) -> list[Sample]:
    """The dataset's sample deliveries, invalid ones first, each part sorted by file name.

    Raises:
        ContractError: for a sample that is not one, and all that `load` refuses.
    """
    contract = load(schemas_dir, dataset)
    return read_samples(schemas_dir / dataset / "samples", contract)


def _description(contract: Document) -> str:
    """Purpose, usage and limitations as paragraphs."""
    given = contract.value.get("description", {})
    titles = {"purpose": "", "usage": "Usage: ", "limitations": "Limitations: "}
    parts = (title + " ".join(given[key].split()) for key, title in titles.items() if given.get(key))
    return "\n\n".join(parts)


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise ContractError(f"{file}: missing", remedy=f"add {file.name} to the dataset's folder") from None
    except UnicodeDecodeError as error:
        raise ContractError(f"{file}: not UTF-8 at byte {error.start}", remedy="save the file as UTF-8") from None
    except OSError as error:
        raise ContractError(f"{file}: not readable ({error.strerror})", remedy="mend the file's permissions") from None
