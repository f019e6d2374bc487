"""Small files: whole or not at all, and of two writers exactly one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.errors import ConfigurationError, LakeUnavailable
from ingest.lake import LocalStorage, open_storage


def test_of_many_writers_exactly_one_puts_the_file(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    contents = [str(number).encode() * 1000 for number in range(32)]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda content: storage.put_if_absent("a/b", content), contents))
    assert won.count(True) == 1
    assert storage.get("a/b") == contents[won.index(True)]
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["b"]


def test_put_replaces_and_get_of_nothing_is_null(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    assert storage.get("a") is None
    storage.put("a", b"1")
    storage.put("a", b"2")
    assert storage.get("a") == b"2"


def test_files_are_listed_with_what_is_below_and_without_what_is_half_written(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    assert storage.files("a") == []
    for path in ("a/c/d", "a/b", "b"):
        storage.put(path, b"")
    (tmp_path / "a" / ".half.tmp").write_bytes(b"")
    assert storage.files("a") == ["a/b", "a/c/d"]
    storage.delete("a/b")
    storage.delete("a/b")
    assert storage.files("a") == ["a/c/d"]


def test_a_storage_that_refuses_is_unavailable_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LakeUnavailable, match="file"):
        LocalStorage(tmp_path / "file").put("a", b"")


@pytest.mark.parametrize("url", ["", "lake", "s3://bucket/lake", "file://host/lake", "abfss://fs@account/lake"])
def test_a_url_that_is_no_lake_is_refused_with_the_remedy(url: str) -> None:
    with pytest.raises(ConfigurationError, match="file:///absolute/path"):
        open_storage(url)


def test_a_refused_url_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_storage("abfss://fs@account/lake?sig=tops3cret")
    assert "tops3cret" not in str(refused.value)


def test_files_have_the_mode_of_the_umask_so_that_others_can_read_them(tmp_path: Path) -> None:
    (tmp_path / "like").write_bytes(b"")
    LocalStorage(tmp_path).put("a", b"")
    LocalStorage(tmp_path).put_if_absent("b", b"")
    assert len({(tmp_path / name).stat().st_mode for name in ("like", "a", "b")}) == 1


def test_a_lake_folder_may_have_spaces(tmp_path: Path) -> None:
    folder = tmp_path / "my lake"
    assert open_storage(folder.as_uri()).root == folder
