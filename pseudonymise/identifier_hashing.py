"""Identifiers of one project → keyed hashes: the one way there, for deliveries and for the key register."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from enclave.identifiers import Checked, check
from pseudonymise.custody import Custody
from pseudonymise.keyed_hash import HashKey, HashSpec, algorithm_for


class IdentifierHasher:
    """Hashes under the project's keys of one version, with that version's algorithm; draws each kind's key once, prints
    none.

    Calling it with a kind and a string array gives ``fixed_size_binary[16]``: the contract of
    ``linkage.key_register.Hasher``.
    """

    def __init__(self, project: str, custody: Custody, *, version: int = 1) -> None:
        self._project = project
        self._custody = custody
        self._version = version
        self._algorithm = custody.hash_algorithm(project, version)
        self._keys: dict[str, HashKey] = {}

    def __repr__(self) -> str:
        return f"IdentifierHasher({self._project}, v{self._version})"

    def __call__(self, kind: str, values: Any) -> Any:
        """Hashes of the usable identifiers; null for the others."""
        return self.hash(kind, check(kind, values))

    def hash(self, kind: str, checked: Checked) -> Any:
        """Hashes of identifiers that :func:`enclave.identifiers.check` has seen."""
        algorithm = algorithm_for(kind, self._algorithm)
        if kind not in self._keys:
            self._keys[kind] = self._custody.hash_with(self._project, kind, self._version, algorithm=algorithm)
        return self._keys[kind].hash(checked.canonical)

    def spec(self, kind: str) -> HashSpec:
        """Algorithm, key id and version of a kind.

        Raises:
            KeyUnavailable: this version was never drawn, or is destroyed.
        """
        algorithm = algorithm_for(kind, self._algorithm)
        key_id = self._custody.hash_key_id(self._project, kind, self._version, algorithm=algorithm)
        return HashSpec(algorithm, key_id, self._version)

    def key_ids(self, kinds: Iterable[str]) -> dict[str, str]:
        """Per kind what manifests say of its key."""
        return {kind: self.spec(kind).text() for kind in kinds}
