"""The project of fifteen municipalities: its eighty deliveries are received, pseudonymised and linked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from enclave.entropy import SecureEntropy
from enclave.project import load_project
from enclave.zones import Zone
from pipeline.custodian import open_desk
from pipeline.hand_in import in_inbox
from pipeline.office import create_office, settings_for, utc_now
from pipeline.office_setup import set_up
from pipeline.progress import Style, Teller
from pseudonymise.delivery import seal
from pseudonymise.manifest import read_manifest
from synthetic.country import make_country
from tests.conftest import CHECKOUT

NAME = "vijftien_gemeenten"
PERSONS = 2000


@pytest.mark.sweep
def test_eighty_clean_deliveries_are_accepted_and_linked_and_the_report_says_whom_linkage_misses(
    tmp_path: Path,
) -> None:
    data, run, configs = tmp_path / "country", tmp_path / "run", CHECKOUT / "configs"
    make_country(data, persons=PERSONS, seed=5, programme="full")
    project = load_project(configs / "projects" / f"{NAME}.yaml")
    office = create_office(run, settings_for(run, data, configs, project=NAME, threads=1, demo_seed=7))
    confidential = configs / "policies" / f"{project.policy}.confidential.example.yaml"
    locks = {"custodian": b"c", "root": b"r", "service": b"s"}
    set_up(office, **locks, entropy=office.entropy, confidential=confidential, now=utc_now())
    desk = open_desk(office, b"c", Teller(Style.PLAIN))
    recipient = (run / f"public-keys/seal-{NAME}.pub").read_text()
    for file in sorted((data / "deliveries").glob("*/*.manifest.yaml")):
        manifest = read_manifest(file).with_token(SecureEntropy())
        seal(file.parent / manifest.file.name, manifest, recipient, run / Zone.INBOX.value)
    intake = desk.receive(in_inbox(desk.office))
    assert intake.refused == ()
    assert {receipt.findings.outcome for receipt in intake.receipts} == {"accepted"}
    owed = {(each.supplier, each.schema_name) for each in project.owed()}
    assert {(r.findings.supplier, r.findings.schema_name) for r in intake.receipts} == owed
    assert len(owed) == 80
    desk.pseudonymise()
    desk.link()
    linked = {path.stem.split("--")[0] for path in (run / f"linked/{NAME}").glob("*.parquet")}
    assert linked == set(project.data)
    report = json.loads((run / f"keys/{NAME}/linkage_quality.json").read_text())
    keys = {(key["data_set"], key["key"]): key for key in report["keys"]}
    delivered = {(name, key.name) for name, data in project.data.items() if data.delivery for key in data.keys}
    assert set(keys) == delivered
    told = {name: {cell["by"] for cell in key["balance"]} for name, key in keys.items()}
    assert told["debts", "person"] >= {"supplier", "sex", "age", "origin"}
    assert told["transactions", "party"] >= {"supplier", "sex", "age", "origin"}
    assert "municipality" in told["property", "dwelling"]
    everybody = [cell["delivered"] for cell in keys["assistance", "person"]["population"] if cell["by"] == "sex"]
    assert sum(everybody) == PERSONS
