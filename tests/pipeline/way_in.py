"""What a job left in the zones of the way in, so that two jobs compare: all files, and nothing of them that is chance.

Chance is what encryption draws, when it was, and how often somebody began. Encrypted files count by what is in them. Of
an answer count all findings, and that its signature holds, its journal entry exists and its digests are those of the
files that lie there; of the report, all but how many units this run of linking was the first to number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from enclave.files import TEMPORARY_MARK
from enclave.fingerprints import digest_file
from enclave.journal import Journal
from enclave.signatures import SigningKey, load_public
from linkage import inventory
from output_control.ledger.keys import LedgerKeys
from pipeline import ledger_units, office_setup
from pipeline.ledger_units import UnitMap
from pipeline.linking import key_zone
from pipeline.office import open_office
from pseudonymise import key_store
from pseudonymise.custody import Custody
from pseudonymise.receipt import Receipt
from tests.pipeline.job import Job

ZONES = ("identified", "keys", "pseudonymised", "linked", "inbox/receipts", "data-keys", "public-keys")
_DIGESTS = ("accepted_frame", "quarantine_frame", "sealed_sha256")
_NEW_UNITS = re.compile(rb'[0-9,]+ new;|(?<="new_units": )\d+')


def zones(job: Job) -> dict[str, object]:
    """By place in the workspace: bytes, or what stands for them."""
    return dict(_WayIn(job.workspace).files())


@dataclass(frozen=True)
class _WayIn:
    run: Path
    custody: Custody = field(init=False)
    digests: frozenset[str] = field(init=False)
    heads: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        held = [path for zone in ("identified", "inbox") for path in (self.run / zone).rglob("*") if path.is_file()]
        object.__setattr__(self, "custody", Custody.open(self.run / "keys", self._said_by("custodian")))
        object.__setattr__(self, "digests", frozenset(map(digest_file, held)))
        entries = Journal(self.run / "journal").entries()
        object.__setattr__(self, "heads", frozenset(entry.digest for entry in entries))

    def files(self) -> Iterator[tuple[str, object]]:
        for zone in ZONES:
            found = [path for path in sorted((self.run / zone).rglob("*")) if path.is_file()]
            assert found, zone
            for path in found:
                if TEMPORARY_MARK not in path.name:
                    yield path.relative_to(self.run).as_posix(), self._content(path)

    def _content(self, path: Path) -> object:
        content = path.read_bytes()
        if content.startswith(b"PARE"):
            return pq.read_table(path, decryption_properties=self.custody.decryption()).to_pylist()
        if path.parent.name == "receipts":
            receipt = Receipt.load(path, load_public(self.run / "keys/receipt.pub"))
            assert receipt.journal_head.digest in self.heads
            return self._findings(receipt.findings.model_dump(mode="json"))
        if path.parent.name == "findings":
            return self._findings(json.loads(content)["findings"])
        return self._opened(path) or (_NEW_UNITS.sub(b"", content) if path.stem == "linkage" else content)

    def _opened(self, path: Path) -> object:
        match path.name:
            case key_store.STORE_FILE:
                store = self.custody.store
                return {name: store.get(name).reveal() for name in store.names()}, store.destroyed()
            case inventory.LISTING:
                return self._inventory(path)
            case office_setup.ROOT_KEY:
                return SigningKey.load(path, self._said_by("root")).public.text
            case ledger_units.MAP_FILE:
                opened = UnitMap.open(path, LedgerKeys.open(self.run / "gate"))
                return opened._integers.tolist(), opened._ids.tolist()
        return None

    def _inventory(self, path: Path) -> list[str]:
        assert key_zone(open_office(self.run), self.custody).check() == frozenset()
        return sorted(json.loads(path.read_bytes())["files"])

    def _findings(self, said: dict[str, Any]) -> dict[str, Any]:
        assert {said[name] for name in _DIGESTS} <= self.digests
        return {name: value for name, value in said.items() if name not in (*_DIGESTS, "time")}

    def _said_by(self, person: str) -> bytes:
        return (self.run / "people" / person / "passphrase").read_bytes()
