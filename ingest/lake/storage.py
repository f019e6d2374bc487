"""The storage port: small files, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from ingest.errors import ConfigurationError, LakeUnavailable

__all__ = ["LocalStorage", "Storage", "open_storage"]


_HALF_WRITTEN = ".tmp"


class Storage(Protocol):
    """Files by path relative to the lake. Raises `LakeUnavailable` when the storage refuses."""

    def table_uri(self, path: str) -> str:
        """What delta-rs opens for the table at `path`."""
        ...

    def get(self, path: str) -> bytes | None:
        """The file's bytes; null where there is none."""
        ...

    def put(self, path: str, content: bytes) -> None:
        """Write or replace the file, atomically."""
        ...

    def folders(self, path: str) -> list[str]:
        """The names of the folders in `path`, sorted; none where it does not exist."""
        ...

    def files(self, path: str) -> list[str]:
        """The paths of all files below the folder `path`, sorted; none where it does not exist."""
        ...

    def delete(self, path: str) -> None:
        """Remove the file; that there is none is as good."""
        ...

    def put_if_absent(self, path: str, content: bytes) -> bool:
        """Write the file if none stands there; false if one does. Readers never see half of it."""
        ...


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LakeUnavailable(
            f"the lake refused {path}: {error.strerror or error}",
            remedy="check free space and permissions of the lake's folder, then run the same command again",
        ) from error


class LocalStorage:
    """A folder. Durable against the death of a process, not against the loss of power."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def table_uri(self, path: str) -> str:
        """The folder itself."""
        return str(self.root / path)

    def get(self, path: str) -> bytes | None:
        """The file's bytes; null where there is none."""
        target = self.root / path
        with _refusals(target):
            try:
                return target.read_bytes()
            except FileNotFoundError:
                return None

    def put(self, path: str, content: bytes) -> None:
        """Write beside, then rename over."""
        target = self.root / path
        with _refusals(target), self._written(target, content) as written:
            written.replace(target)

    def folders(self, path: str) -> list[str]:
        """The names of the folders in `path`, sorted; none where it does not exist."""
        target = self.root / path
        with _refusals(target):
            return sorted(entry.name for entry in target.iterdir() if entry.is_dir()) if target.is_dir() else []

    def files(self, path: str) -> list[str]:
        """The paths of all files below the folder `path`, sorted; half-written ones are none yet."""
        target = self.root / path
        with _refusals(target):
            found = (file for file in target.rglob("*") if file.suffix != _HALF_WRITTEN and file.is_file())
            return sorted(file.relative_to(self.root).as_posix() for file in found)

    def delete(self, path: str) -> None:
        """Remove the file; that there is none is as good."""
        target = self.root / path
        with _refusals(target):
            target.unlink(missing_ok=True)

    def put_if_absent(self, path: str, content: bytes) -> bool:
        """Write beside, then link: of two processes exactly one succeeds, and never with half a file."""
        target = self.root / path
        with _refusals(target), self._written(target, content) as written:
            try:
                os.link(written, target)
            except FileExistsError:
                return False
            return True

    @contextlib.contextmanager
    def _written(self, target: Path, content: bytes) -> Iterator[Path]:
        target.parent.mkdir(parents=True, exist_ok=True)
        written = target.parent / f".{uuid.uuid4().hex}{_HALF_WRITTEN}"
        try:
            with written.open("xb") as file:  # with the umask's mode: other workers and analysts read it too
                file.write(content)
            yield written
        finally:
            written.unlink(missing_ok=True)


def open_storage(url: str) -> LocalStorage:
    """The storage at `file:///…`.

    Raises:
        ConfigurationError: for any other URL.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path.startswith("/"):
        return LocalStorage(Path(unquote(parts.path)))
    # The URL itself is not repeated: it may hold a signature or a password.
    says = f"is not a lake that this version can open (scheme {parts.scheme!r})" if url else "is not set"
    raise ConfigurationError(f"LAKEPOST_LAKE_URL {says}", remedy="give the lake's folder as file:///absolute/path")
