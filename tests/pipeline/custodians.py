"""A custodian's office of a small country, in this process: what is delivered when, and who is in the register."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from enclave.fingerprints import digest_json
from enclave.zones import Zone
from pipeline.custodian import CustodianDesk, open_desk
from pipeline.hand_in import in_inbox
from pipeline.office import create_office, open_office, settings_for, utc_now
from pipeline.office_setup import set_up
from pipeline.progress import Style, Teller
from pseudonymise.delivery import seal
from pseudonymise.manifest import Manifest, read_manifest
from pseudonymise.unlocking import Given, Lock
from tests.conftest import CHECKOUT
from tests.pipeline.job import read_linked

PROJECT = "ondermijning"
BY_IDENTIFIER = ("transfers", "debts", "persons")
SETS = (*BY_IDENTIFIER, "clearances")
LAST = "GM9002"


def small_configs(folder: Path, sets: tuple[str, ...] = SETS, **changed: object) -> Path:
    """The configuration, its project cut down to a few data sets, with fields changed."""
    shutil.copytree(CHECKOUT / "configs", folder)
    file = folder / "projects" / f"{PROJECT}.yaml"
    project = yaml.safe_load(file.read_text())
    project["data"] = {name: project["data"][name] for name in sets}
    for question in project["questions"].values():
        question["uses"] = {name: columns for name, columns in question["uses"].items() if name in sets}
    file.write_text(yaml.safe_dump(project | changed, sort_keys=False))
    return folder


@dataclass(frozen=True)
class CustodiansOffice:
    """Folders of one office and what opens its key store."""

    root: Path
    country: Path
    given: Given = b"custodian"

    @classmethod
    def make(
        cls,
        root: Path,
        country: Path,
        *,
        lock: bytes | Lock = b"custodian",
        given: Given = b"custodian",
        sets: tuple[str, ...] = SETS,
        **changed: object,
    ) -> CustodiansOffice:
        """A set-up office whose key register knows half of the persons."""
        data = root / "data"
        shutil.copytree(country, data)
        persons = pq.read_table(data / "key_register/persons.parquet")
        pq.write_table(persons.slice(0, persons.num_rows // 2), data / "key_register/persons.parquet")
        configs = small_configs(root / "configs", sets, **changed)
        settings = settings_for(root / "run", data, configs, project=PROJECT, threads=1, demo_seed=7)
        office = create_office(root / "run", settings)
        example = configs / "policies" / f"{office.project.policy}.confidential.example.yaml"
        set_up(
            office, custodian=lock, root=b"r", service=b"s", entropy=office.entropy, confidential=example, now=utc_now()
        )
        return cls(root, data, given)

    def desk(self) -> CustodianDesk:
        """The custodian's desk, opened."""
        return open_desk(open_office(self.root / "run"), self.given, Teller(Style.PLAIN))

    def at(self, root: Path) -> CustodiansOffice:
        """A copy of everything on disk."""
        shutil.copytree(self.root, root)
        return CustodiansOffice(root, root / "data", self.given)

    def manifests(self) -> Iterator[tuple[Path, Manifest]]:
        """What the suppliers have, in order."""
        for file in sorted((self.country / "deliveries").glob("*/*.manifest.yaml")):
            yield file, read_manifest(file)

    def deliver(self, desk: CustodianDesk, *suppliers: str, retention: Mapping[str, date] | None = None) -> None:
        """Seal and receive what these suppliers owe (all of them: none named)."""
        inbox = self.root / "run" / Zone.INBOX.value
        recipient = (self.root / "run/public-keys" / f"seal-{PROJECT}.pub").read_text()
        for file, found in self.manifests():
            if not suppliers or found.supplier in suppliers:
                until = (retention or {}).get(found.supplier)
                manifest = found.model_copy(update={"retention_date": until}) if until else found
                manifest = manifest.model_copy(update={"token": digest_json(manifest.as_json())[:12]})
                seal(file.parent / manifest.file.name, manifest, recipient, inbox)
        intake = desk.receive(in_inbox(desk.office))
        assert not intake.refused, intake.refused

    def linked(self, name: str) -> pa.Table:
        """A linked data set."""
        return read_linked(self.root / "run/linked" / PROJECT / f"{name}.parquet", self.root / "run")

    def suppliers(self) -> tuple[str, ...]:
        """All suppliers but the last municipality."""
        return tuple(sorted({m.supplier for _, m in self.manifests()} - {LAST}))
