"""The folders of the catalogue: which datasets there are, and what a folder must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest import catalog
from ingest.errors import ContractError
from tests.catalog.orders import CONTRACT, SUITE, assert_says


class TestFolders:
    @pytest.fixture
    def schemas(self, tmp_path: Path) -> Path:
        folder = tmp_path / "schemas"
        (folder / "orders").mkdir(parents=True)
        (folder / "orders" / catalog.CONTRACT_FILE).write_text(CONTRACT, "utf-8")
        (folder / "orders" / catalog.SUITE_FILE).write_text(SUITE, "utf-8")
        return folder

    def load(self, schemas: Path, dataset: str = "orders") -> ContractError:
        with pytest.raises(ContractError) as caught:
            catalog.load(schemas, dataset)
        return caught.value

    def test_names_are_the_folders(self, schemas: Path) -> None:
        for name in ("stock", ".git", "_drafts"):
            (schemas / name).mkdir()
        (schemas / "README.md").touch()
        assert catalog.names(schemas) == ["orders", "stock"]

    def test_no_catalogue(self, tmp_path: Path) -> None:
        assert_says(self.load(tmp_path / "absent"), "absent", remedy="LAKEPOST_SCHEMAS_DIR")

    @pytest.mark.parametrize("dataset", ["order", "../schemas/orders", "", ".", "Orders"])
    def test_no_such_dataset(self, schemas: Path, dataset: str) -> None:
        assert_says(self.load(schemas, dataset), "no such dataset", remedy="`orders`")

    @pytest.mark.parametrize("file", [catalog.CONTRACT_FILE, catalog.SUITE_FILE])
    def test_missing_file(self, schemas: Path, file: str) -> None:
        (schemas / "orders" / file).unlink()
        assert_says(self.load(schemas), f"orders/{file}: missing", remedy=f"add {file}")

    @pytest.mark.parametrize("file", [catalog.CONTRACT_FILE, catalog.SUITE_FILE])
    def test_file_that_is_not_utf8(self, schemas: Path, file: str) -> None:
        (schemas / "orders" / file).write_bytes("Käthe".encode("latin-1"))
        assert_says(self.load(schemas), file, "not UTF-8 at byte 1", remedy="UTF-8")

    def test_file_that_is_a_folder(self, schemas: Path) -> None:
        (schemas / "orders" / catalog.SUITE_FILE).unlink()
        (schemas / "orders" / catalog.SUITE_FILE).mkdir()
        assert_says(self.load(schemas), catalog.SUITE_FILE, "not readable", remedy="")

    def test_folder_of_another_name(self, schemas: Path) -> None:
        (schemas / "orders").rename(schemas / "purchases")
        error = self.load(schemas, "purchases")
        assert_says(error, "purchases/contract.odcs.yaml", '"orders"', remedy="`name: purchases`")

    def test_folder_whose_name_is_no_table(self, schemas: Path) -> None:
        (schemas / "orders").rename(schemas / "my-orders")
        assert_says(self.load(schemas, "my-orders"), "my-orders", remedy="small letters")
