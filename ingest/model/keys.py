"""The secret keys of protected columns and of erasures. Plain Python only; a key never shows in `repr`."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ingest.errors import ConfigurationError

__all__ = ["HOW_TO_MAKE_A_KEY", "NO_KEYS", "Keys"]

_MARK = 48  # characters, the key's id included: of that at most 32

HOW_TO_MAKE_A_KEY = (
    'make one with `echo "k1:$(openssl rand -base64 32)"`, keep it as you keep passwords, and give it as'
    " LAKEPOST_PII_KEYS (in Airflow: `pii_keys` in the extra of the Connection lakepost_lake)"
)


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys by id, the current one first. `k2:9f86…` is what a text becomes: the key's id and HMAC-SHA256 in hex.

    An old key stays for what it has hashed: erasures are looked up under every key, and a rebuild finds what to
    hash anew by the id in front.
    """

    by_id: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def current(self) -> str:
        """The id of the key that new values are hashed with.

        Raises:
            ConfigurationError: there is none.
        """
        return self._ids[0]

    @property
    def oldest(self) -> str:
        """The id of the key that stays the same when a new one is put in front.

        Raises:
            ConfigurationError: there is none.
        """
        return self._ids[-1]

    @property
    def _ids(self) -> list[str]:
        if not self.by_id:
            raise ConfigurationError("LAKEPOST_PII_KEYS is not set: nothing to hash with", remedy=HOW_TO_MAKE_A_KEY)
        return list(self.by_id)

    def hashed(self, text: str, key: str | None = None) -> str:
        """`text` under the key of that id, by default the current one."""
        key = key or self.current
        return f"{key}:{hmac.digest(self.by_id[key], text.encode(), hashlib.sha256).hex()}"

    def mark(self, key: str) -> str:
        """What tells the key of that id from another one that was given the same id, and nothing else of it."""
        return self.hashed("lakepost:mark", key)[:_MARK]

    def needed(self, dataset: str, marks: Iterable[str]) -> None:
        """Check that the keys with these marks are known: they recognise people who were erased from `dataset`.

        Raises:
            ConfigurationError: one is not, or is another key.
        """
        for mark in sorted(set(marks)):
            key = mark.partition(":")[0]
            if key not in self.by_id or self.mark(key) != mark:
                raise ConfigurationError(
                    f"LAKEPOST_PII_KEYS has no key {key}, or another one of that name, than that which recognises"
                    f" people who were erased from {dataset}: they would come back",
                    remedy="give that key, after the current one: `k2:…,k1:…`; an old key is never thrown away",
                )


NO_KEYS = Keys()
"""What suffices where no contract protects a column and nobody was erased."""
