"""The project of eighty deliveries in one office: received, pseudonymised and linked by this process.

``python -m tests.pipeline.eighty COUNTRY ROOT ENGINE TOLD`` does it with the engines made to talk into folder TOLD.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

from enclave.fingerprints import digest_json
from enclave.zones import Zone
from pipeline.custodian import CustodianDesk, open_desk
from pipeline.hand_in import in_inbox
from pipeline.office import EngineName, create_office, settings_for, utc_now
from pipeline.office_setup import set_up
from pipeline.progress import Style, Teller
from pseudonymise.delivery import seal
from pseudonymise.manifest import read_manifest
from tests.conftest import CHECKOUT
from tests.pipeline.observed import observe

PROJECT = "vijftien_gemeenten"
PASSPHRASE = b"zes losse woorden voor de sleutelbewaarder"
NATIONAL = ("belastingdienst", "fiu", "kadaster", "kvk", "rdw")


def linked_office(
    country: Path, workspace: Path, engine: EngineName = "duckdb", suppliers: Collection[str] = ()
) -> CustodianDesk:
    """Set up an office and take what these suppliers owe (none named: all of them) up to linked data."""
    configs = CHECKOUT / "configs"
    settings = settings_for(workspace, country, configs, project=PROJECT, engine=engine, threads=1, demo_seed=7)
    office = create_office(workspace, settings)
    example = configs / "policies" / f"{office.project.policy}.confidential.example.yaml"
    keys = {"custodian": PASSPHRASE, "root": b"r", "service": b"s"}
    set_up(office, **keys, entropy=office.entropy, confidential=example, now=utc_now())
    desk = open_desk(office, PASSPHRASE, Teller(Style.PLAIN))
    recipient = office.public_key(f"seal-{PROJECT}.pub").read_text()
    for file in sorted((country / "deliveries").glob("*/*.manifest.yaml")):
        manifest = read_manifest(file)
        if not suppliers or manifest.supplier in suppliers:
            manifest = manifest.model_copy(update={"token": digest_json(manifest.as_json())[:12]})
            seal(file.parent / manifest.file.name, manifest, recipient, office.workspace.path(Zone.INBOX))
    intake = desk.receive(in_inbox(desk.office))
    assert not intake.refused, intake.refused
    desk.pseudonymise()
    desk.link()
    return desk


if __name__ == "__main__":
    country, workspace, engine, told = sys.argv[1:]
    observe(Path(told))
    linked_office(Path(country), Path(workspace), "spark" if engine == "spark" else "duckdb")
