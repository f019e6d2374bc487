"""doctor: contracts, lake, broker and queues looked at, and what is wrong said in words."""

from __future__ import annotations

import asyncio

from ingest import catalog
from ingest.compose import keys_of, lake_of, rabbitmq_url
from ingest.errors import ConfigurationError, LakepostError
from ingest.model.contract import Contract, Protection
from ingest.model.finding import Finding
from ingest.model.keys import HOW_TO_MAKE_A_KEY
from ingest.settings import Settings

__all__ = ["datasets", "doctor"]


def datasets(settings: Settings) -> list[tuple[str, Contract | LakepostError]]:
    """Every dataset of the catalogue by name: its contract, or what is wrong with it."""
    found: list[tuple[str, Contract | LakepostError]] = []
    for name in catalog.names(settings.schemas_dir):
        try:
            found.append((name, catalog.load(settings.schemas_dir, name)))
        except LakepostError as error:
            found.append((name, error))
    return found


def doctor(settings: Settings) -> list[Finding]:
    """Contracts, lake, containers, broker, queues: what is wrong, in words. Writes only a probe file in the lake."""
    from ingest.sources.peek import examine_stream
    from ingest.sources.topology import examine

    findings: list[Finding] = []
    contracts: list[Contract] = []
    for name, found in datasets(settings):
        if isinstance(found, Contract):
            contracts.append(found)
            says = f"version {found.version}, {len(found.columns)} columns, {len(found.expectations)} expectations"
            findings.append(Finding(f"contract {name}", ok=True, says=says, remedy=""))
        else:
            findings.append(Finding(f"contract {name}", ok=False, says=found.message, remedy=found.remedy))
    if not findings:
        findings.append(
            Finding(
                "contracts",
                ok=False,
                says=f"no dataset in {settings.schemas_dir}",
                remedy="set LAKEPOST_SCHEMAS_DIR to the folder with one folder per dataset",
            )
        )
    findings += _examine_lake(settings, contracts)
    findings += _examine_keys(settings, contracts)
    if any(contract.keeps_history for contract in contracts):
        findings += _examine_containers(settings, contracts)
    if contracts and all(contract.keeps_history for contract in contracts):
        return findings
    try:
        url = rabbitmq_url(settings)
    except ConfigurationError as error:
        return [*findings, Finding("broker", ok=False, says=error.message, remedy=error.remedy)]
    for source in dict.fromkeys(source for contract in contracts for source in contract.queues):
        findings += asyncio.run(examine(url, source))
        if source.queue_type == "stream" and findings[-1].ok:
            findings.append(asyncio.run(examine_stream(url, source)))
    return list(dict.fromkeys(findings))


def _examine_containers(settings: Settings, contracts: list[Contract]) -> list[Finding]:
    from ingest.sources.cosmos_account import cosmos_account
    from ingest.sources.cosmos_doctor import examine_container

    try:
        account = cosmos_account(settings)
    except ConfigurationError as error:
        return [Finding("Cosmos DB", ok=False, says=error.message, remedy=error.remedy)]
    return [examine_container(account, one.container) for one in contracts if one.container is not None]


def _examine_lake(settings: Settings, contracts: list[Contract]) -> list[Finding]:
    try:
        lake = lake_of(settings)
        findings = [lake.examine()]
        return findings + [lake.examine_dataset(contract) for contract in contracts if findings[0].ok]
    except LakepostError as error:
        return [Finding("lake", ok=False, says=error.message, remedy=error.remedy)]


def _examine_keys(settings: Settings, contracts: list[Contract]) -> list[Finding]:
    """Whether there is a key for every column that is hashed, and for everybody who was erased."""
    try:
        keys, lake = keys_of(settings), lake_of(settings)
        for contract in contracts:
            hashing = [one.name for one in contract.columns if one.protection is Protection.HASH]
            hashing += ["key"] if contract.hides_keys else []
            keys.needed(contract.dataset, (erasure.mark for erasure in lake.erasures(contract.dataset)))
            if hashing and not keys.by_id:
                told = f"{contract.dataset} hashes {', '.join(hashing)}, and LAKEPOST_PII_KEYS is not set"
                return [Finding("keys", ok=False, says=told, remedy=HOW_TO_MAKE_A_KEY)]
    except LakepostError as error:
        return [Finding("keys", ok=False, says=error.message, remedy=error.remedy)]
    return [Finding("keys", ok=True, says=f"{len(keys.by_id)} set, all that contracts and erasures need", remedy="")]
