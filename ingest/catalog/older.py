"""The contracts as they were: in another folder, or at a git ref of the repository that holds the schemas folder.

Git is run, never written to: `rev-parse`, `ls-tree` and `show`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from ingest import catalog
from ingest.errors import ConfigurationError, ContractError
from ingest.model.contract import Contract

__all__ = ["older"]

_Files = tuple[bytes | None, bytes | None]
"""Contract and suite of a dataset's folder; null where there is none."""


def older(schemas_dir: Path, against: str) -> dict[str, Contract | ContractError]:
    """The datasets of the folder `against`, or of `schemas_dir` at the git ref `against`; a folder goes first.

    A dataset is a folder with a contract. One that today's rules refuse is there as what is wrong with it.

    Raises:
        ConfigurationError: neither folder nor ref, no dataset there, no repository, no git.
    """
    folder = Path(against)
    found = _in(folder) if folder.is_dir() else _at(schemas_dir.resolve(), against)
    contracts = {
        name: _contract(name, contract, suite, f"{against}:{name}")
        for name, (contract, suite) in found
        if contract is not None
    }
    if not contracts:
        remedy = "name a folder like schemas/, with one folder per dataset, or a commit that had one"
        raise ConfigurationError(f"{against or 'the folder'} has no datasets", remedy=remedy)
    return contracts


def _contract(dataset: str, document: bytes, suite: bytes | None, where: str) -> Contract | ContractError:
    try:
        texts = (file.decode("utf-8", "replace") for file in (document, suite or b""))
        return catalog.parse(*texts, dataset=dataset, where=where)
    except ContractError as error:
        return error


def _in(folder: Path) -> Iterator[tuple[str, _Files]]:
    for name in catalog.names(folder):
        contract, suite = (folder / name / file for file in (catalog.CONTRACT_FILE, catalog.SUITE_FILE))
        yield name, (_read(contract), _read(suite))


def _read(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _at(schemas_dir: Path, ref: str) -> Iterator[tuple[str, _Files]]:
    inside = _git(schemas_dir, "rev-parse", "--show-prefix")
    if inside.returncode:
        told = f"{ref} is no folder, and git finds no commit for {schemas_dir}: {inside.stderr.decode().strip()}"
        raise ConfigurationError(told, remedy="name a folder with the older contracts")
    commit = _git(schemas_dir, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if commit.returncode:
        remedy = "name one that `git log` knows; a shallow clone has few: `git fetch --unshallow`"
        raise ConfigurationError(f"{ref} is neither a folder nor a commit of this repository", remedy=remedy)
    tree = f"{_line(commit)}:{_line(inside)}"  # `COMMIT:schemas/`, or `COMMIT:` where the repository is the folder
    listed = _git(schemas_dir, "ls-tree", "-d", "-z", "--full-tree", "--name-only", tree).stdout.decode(
        "utf-8", "replace"
    )
    for name in listed.split("\0"):
        if name and name[0] not in "._":
            contract, suite = (f"{tree}{name}/{file}" for file in (catalog.CONTRACT_FILE, catalog.SUITE_FILE))
            yield name, (_shown(schemas_dir, contract), _shown(schemas_dir, suite))


def _line(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stdout.decode().removesuffix("\n")


def _shown(schemas_dir: Path, file: str) -> bytes | None:
    done = _git(schemas_dir, "show", file)
    return None if done.returncode else done.stdout


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", "-C", folder, *arguments], capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        remedy = "install git, or name a folder with the older contracts"
        raise ConfigurationError("git is not installed", remedy=remedy) from None
