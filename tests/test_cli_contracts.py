"""`lakepost contracts check`: against a folder, a commit, nothing; in CI; and what the operator then does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ingest import catalog
from ingest.lake import DeltaLake, LocalStorage
from tests.command import Command
from tests.steps.shop import Shop, order

ROOT = Path(__file__).resolve().parents[1]
NARROWER = ("decimal(12,2)", "decimal(11,2)")
WIDER = ("decimal(12,2)", "decimal(14,2)")
RAISED = ("version: 1.1.0", "version: 1.2.0")


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """A repository with one commit; its schemas folder has `orders` as it ships."""
    shutil.copytree(ROOT / "schemas" / "orders", tmp_path / "repository" / "schemas" / "orders")
    git(tmp_path / "repository", "init", "--quiet", "--initial-branch", "work")
    commit(tmp_path / "repository")
    return tmp_path / "repository" / "schemas"


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "as it is")


def rewrite(schemas: Path, *texts: tuple[str, str]) -> None:
    file = schemas / "orders" / "contract.odcs.yaml"
    text = file.read_text()
    for old, new in texts:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


@pytest.fixture
def lakepost(
    schemas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    environment = {"LAKEPOST_LAKE_URL": (tmp_path / "lake").as_uri(), "LAKEPOST_SCHEMAS_DIR": str(schemas)}
    return Command(monkeypatch, capsys, tmp_path, environment)


def checked(lakepost: Command, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, told = lakepost.json("contracts", "check", *arguments)
    assert told["ok"] == (code == 0)
    return code, told


def test_the_contracts_that_ship_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = checked(Command(monkeypatch, capsys, tmp_path, {"LAKEPOST_SCHEMAS_DIR": str(ROOT / "schemas")}))
    assert code == 0
    samples = {one["dataset"]: one["samples"] for one in told["datasets"]}
    assert samples.keys() >= {"deliveries", "orders", "stock"}
    assert samples == {name: len(list((ROOT / "schemas" / name / "samples").rglob("*.json"))) for name in samples}


def test_a_contract_that_is_right(lakepost: Command) -> None:
    code, told = checked(lakepost)
    assert code == 0
    (orders,) = told["datasets"]
    assert (orders["dataset"], orders["version"], orders["changes"]) == ("orders", "1.1.0", [])
    assert orders["samples"] == len(list((ROOT / "schemas" / "orders" / "samples").rglob("*.json")))
    assert lakepost("contracts", "check")[1].startswith("ok   orders 1.1.0")


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("contract.odcs.yaml", "apiVersion: v2.0.0", "not version 3"),
        ("suite.json", "{", "suite.json"),
        ("samples/valid/placed.json", '{"why": "", "delivery": {}}', "samples/valid/placed.json: why: missing"),
    ],
)
def test_a_wrong_file_is_told_and_fails(lakepost: Command, schemas: Path, file: str, text: str, says: str) -> None:
    (schemas / "orders" / file).write_text(text)
    code, told = checked(lakepost)
    assert code == 1
    assert says in told["datasets"][0]["wrong"]["message"]
    assert told["datasets"][0]["wrong"]["remedy"]
    code, out, _ = lakepost("contracts", "check")
    assert (code, out.startswith("FAIL orders")) == (1, True)


def test_a_contract_that_judges_a_sample_otherwise_is_told(lakepost: Command, schemas: Path) -> None:
    rewrite(schemas, ("decimal(12,2)", "decimal(9,4)"))
    code, told = checked(lakepost)
    assert code == 1
    assert told["datasets"][0]["wrong"]["message"] == (
        "orders/samples/invalid/decimal_too_fine.json must be wrong_type total, and is valid (and 1 more)"
    )


@pytest.mark.parametrize("kind", ["commit", "folder"])
def test_against_an_older_one(lakepost: Command, schemas: Path, tmp_path: Path, kind: str) -> None:
    older = "HEAD"
    if kind == "folder":
        older = str(shutil.copytree(schemas, tmp_path / "older"))
    assert checked(lakepost, "--against", older)[0] == 0
    rewrite(schemas, NARROWER, RAISED)
    shutil.copytree(schemas / "orders", schemas / "returns")
    code, told = checked(lakepost, "--against", older)
    orders, returns = told["datasets"]
    assert (code, orders["older_version"], orders["version"]) == (1, "1.1.0", "1.2.0")
    assert [(one["effect"], one["what"], one["refused"]) for one in orders["changes"]] == [
        ("breaking", "column total", True)
    ]
    assert "`name: returns`" in returns["wrong"]["remedy"]
    shutil.rmtree(schemas / "returns")
    code, out, err = lakepost("contracts", "check", "--against", older)
    assert code == 1
    assert "breaking, refused" in out
    assert "type decimal(12,2) → decimal(11,2)" in out
    assert "raised major version" in err
    rewrite(schemas, ("version: 1.2.0", "version: 2.0.0"))
    code, out, err = lakepost("contracts", "check", "--against", older)
    assert (code, "refused" in out, err) == (0, False, "")
    assert "begin the tables of orders anew" in out


def test_a_dataset_that_is_new_or_gone(lakepost: Command, schemas: Path) -> None:
    (schemas / "orders").rename(schemas.parent / "orders")
    code, told = checked(lakepost, "--against", "HEAD")
    assert (code, told["datasets"][0]["changes"][0]["says"]) == (1, "removed")
    commit(schemas.parent)
    schemas.mkdir(exist_ok=True)
    (schemas.parent / "orders").rename(schemas / "orders")
    code, told = checked(lakepost, "--against", "HEAD~1")
    assert (code, told["datasets"][0]["changes"]) == (0, [])
    assert lakepost("contracts", "check", "--against", "HEAD")[0] == 2  # that commit has no datasets


def test_an_older_contract_that_was_wrong_does_not_stop_its_mending(lakepost: Command, schemas: Path) -> None:
    right = (schemas / "orders" / "suite.json").read_text()
    (schemas / "orders" / "suite.json").write_text("{")
    commit(schemas.parent)
    (schemas / "orders" / "suite.json").write_text(right)
    code, told = checked(lakepost, "--against", "HEAD")
    assert code == 0
    assert "not compared, the older one is wrong" in told["datasets"][0]["changes"][0]["says"]


@pytest.mark.parametrize(
    ("against", "says"),
    [
        ("no-such-ref", "neither a folder nor a commit"),
        ("--output=x", "neither a folder nor a commit"),
        ("", "has no datasets"),
        (".", "has no datasets"),  # the folder above, most likely
    ],
)
def test_what_a_stranger_gets_wrong(lakepost: Command, against: str, says: str) -> None:
    code, _, err = lakepost("contracts", "check", f"--against={against}")
    assert (code, "Traceback" in err) == (2, False)
    assert says in err


def test_without_git_and_without_a_repository(
    lakepost: Command, schemas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(schemas.parent / ".git")
    code, _, err = lakepost("contracts", "check", "--against", "HEAD")
    assert (code, "not a git repository" in err) == (2, True)
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = lakepost("contracts", "check", "--against", "HEAD")
    assert (code, "git is not installed" in err) == (2, True)


class TestCi:
    """`.ci/contracts`, which `make check` runs."""

    @pytest.fixture
    def repository(self, schemas: Path) -> Path:
        shutil.rmtree(schemas / "orders" / "samples")  # to judge them takes seconds each time
        shutil.copytree(ROOT / ".ci", schemas.parent / ".ci")
        (schemas.parent / ".venv").symlink_to(Path(sys.executable).parents[1])
        (schemas.parent / ".gitignore").write_text(".venv\n")
        commit(schemas.parent)
        return schemas.parent

    @staticmethod
    def run(repository: Path) -> tuple[int, str]:
        done = subprocess.run(["bash", ".ci/contracts"], cwd=repository, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_the_commit_before_where_there_is_no_main(self, repository: Path) -> None:
        assert self.run(repository)[0] == 0
        rewrite(repository / "schemas", NARROWER, RAISED)
        assert self.run(repository)[0] == 1  # before it is committed too
        commit(repository)
        code, says = self.run(repository)
        assert (code, "breaking, refused" in says) == (1, True)

    def test_all_commits_of_a_branch_that_left_main(self, repository: Path) -> None:
        git(repository, "branch", "main")
        rewrite(repository / "schemas", NARROWER, RAISED)
        commit(repository)
        commit(repository)
        assert self.run(repository)[0] == 1
        git(repository, "branch", "--force", "main", "HEAD~1")
        assert self.run(repository)[0] == 0

    @pytest.mark.parametrize("kind", ["shallow", "no repository"])
    def test_where_nothing_older_is_there_it_says_so_and_checks_the_rest(
        self, repository: Path, tmp_path: Path, kind: str
    ) -> None:
        if kind == "shallow":
            git(tmp_path, "clone", "--quiet", "--depth=1", repository.as_uri(), "clone")
            (tmp_path / "clone" / ".venv").symlink_to(Path(sys.executable).parents[1])
            repository = tmp_path / "clone"
        else:
            shutil.rmtree(repository / ".git")
        code, says = self.run(repository)
        assert (code, "nothing older to compare with" in says) == (0, True)
        (repository / "schemas" / "orders" / "suite.json").write_text("{")
        assert self.run(repository)[0] == 1


def test_a_wider_type_from_the_contract_to_the_table(lakepost: Command, schemas: Path, tmp_path: Path) -> None:
    """What check says has to follow is what curate asks for, and then everything holds."""
    shop = Shop(DeltaLake(LocalStorage(tmp_path / "lake")), catalog.load(schemas, "orders"))
    shop.land(order("a"), order("b", day=21))
    shop.curate()
    shop.land(order("c"))
    rewrite(schemas, WIDER, RAISED)
    assert lakepost("contracts", "check")[0] == 1  # a sample says that its total is too long
    (schemas / "orders" / "samples" / "invalid" / "decimal_too_long.json").unlink()
    code, told = checked(lakepost, "--against", "HEAD")
    (change,) = told["datasets"][0]["changes"]
    assert (code, change["effect"], change["then"]) == (0, "rebuild", "run `lakepost rebuild orders --all`")
    code, _, err = lakepost("curate", "orders")
    assert (code, "lakepost rebuild orders --all" in err) == (1, True)
    assert lakepost("rebuild", "orders", "--from", "2026-11-20")[0] == 1
    assert lakepost("rebuild", "orders", "--all", "--dry-run")[0] == 0
    assert lakepost("rebuild", "orders", "--all")[0] == 0
    assert lakepost("curate", "orders")[0] == 0
    assert shop.curated() == ["a", "b", "c"]
    assert lakepost("status", "orders")[0] == 0
    code, out, _ = lakepost("sql", "SELECT DISTINCT typeof(total) AS type FROM curated.orders", "--json")
    assert (code, json.loads(out)["rows"]) == (0, [{"type": "DECIMAL(14,2)"}])
