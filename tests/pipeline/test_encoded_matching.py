"""A supplier hands over filters instead of persons: from secret to linked data, by all parties' commands."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from pipeline.main import app
from pseudonymise.custody import Custody
from synthetic.misspelt_persons import Planted, misspelt_persons
from tests.canary_search import Canaries, Opening, leaking_files
from tests.conftest import CHECKOUT
from tests.pipeline.job import read_linked
from tests.pipeline.test_nothing_leaks import leaking_in
from tests.pseudonymise.small_town import bsns

PERSONS, CLIENTS = 1500, 600
LINKAGE_SCHEMA = CHECKOUT / "configs/linkage/persons.json"
COLUMNS = {
    "surname": "achternaam",
    "first_names": "voornamen",
    "birth_date": "geboren",
    "sex": "geslacht",
    "postcode": "pc",
    "house_number": "nr",
}


def zicht(*arguments: object, fails: bool = False) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert (done.exit_code != 0) == fails, (done.output, done.exception)
    return f"{done.output} {done.exception or ''}"


@dataclass(frozen=True)
class Office:
    """An office, a linkage authority and a supplier, each with a folder."""

    root: Path
    planted: Planted
    label: dict[str, Any]

    @property
    def workspace(self) -> Path:
        return self.root / "run"

    @property
    def secret(self) -> Path:
        return self.root / "authority/linkage.secret"

    def deliver(self, file: Path, *, secret: Path | None = None) -> Path:
        """The supplier's part; returns the sealed file."""
        options = [part for field, name in COLUMNS.items() for part in ("--column", f"{field}={name}")]
        made = file.with_name(f"filters_{file.name}")
        zicht(
            *("encoding", "file", file, "--out", made, "--secret-file", secret or self.secret),
            *("--linkage-schema", LINKAGE_SCHEMA, *options, "--keep", "visits"),
        )
        return self.seal(made)

    def seal(self, file: Path, **changes: str) -> Path:
        said = {
            "schema": "care_clients",
            "period": "2016",
            "supplier": "zorg",
            "legal-basis": "Wmo 2015 art. 5.2.1",
            "purpose": "statistical research into care",
            "retention-date": "2031-01-01",
            "contact": "data desk",
            "schemas": str(self.root / "configs/schemas"),
        } | changes
        manifest = file.with_suffix(".manifest.yaml")
        listed = [part for name, value in said.items() for part in (f"--{name}", value)]
        zicht("delivery", "manifest", file, *listed, "--out", manifest)
        recipient = min(self.workspace.rglob("seal-*.pub"))
        said_by_seal = zicht(
            "delivery", "seal", file, "--to", recipient, "--manifest", manifest, "--out", self.root / "supplier"
        )
        return self.root / "supplier" / next(w for w in said_by_seal.split() if w.endswith(".zicht")).split("/")[-1]

    def custodian(self, command: str, *arguments: object, fails: bool = False) -> str:
        options = ("--passphrase-file", self.root / "custodian", "--workspace", self.workspace)
        return zicht(command, *arguments, *options, fails=fails)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    root = tmp_path_factory.mktemp("encoded")
    planted = misspelt_persons(PERSONS, CLIENTS, seed=7)
    for name in ("authority", "supplier", "data/key_register", "data/registers", "data/classifications"):
        (root / name).mkdir(parents=True)
    numbers = bsns()
    register = planted.register.set_column(0, "bsn", pa.array([next(numbers) for _ in range(PERSONS)]))
    pq.write_table(register, root / "data/key_register/persons.parquet")
    for name, columns in {"addresses": ("bag_id", "RINOBJECTNUMMER"), "entities": ("rsin", "kvk", "BEID")}.items():
        empty = pa.table({column: pa.array([], pa.string()) for column in columns})
        pq.write_table(empty, root / f"data/key_register/{name}.parquet")
    secret = root / "authority/linkage.secret"
    zicht("encoding", "secret", secret)
    zicht(
        "encoding", "register", root / "data/key_register", "--secret-file", secret, "--linkage-schema", LINKAGE_SCHEMA
    )
    label = json.loads(
        zicht("encoding", "label", "--secret-file", secret, "--linkage-schema", LINKAGE_SCHEMA, "--json")
    )
    _configure(root, label)
    options = []
    for name in ("custodian", "root", "service"):
        (root / name).write_text(f"{name} {name}\n")
        (root / name).chmod(0o600)
        options += [f"--{name}-passphrase-file", root / name]
    zicht("init", "--data", root / "data", "--configs", root / "configs", "--workspace", root / "run", *options)
    return Office(root, planted, label)


def _configure(root: Path, label: dict[str, Any]) -> None:
    (root / "configs").mkdir()
    for name in ("policies", "classifications", "linkage"):
        (root / "configs" / name).symlink_to(CHECKOUT / "configs" / name)
    (root / "configs/schemas").mkdir()
    shipped = "schemas/care_clients.yaml"
    (root / "configs" / shipped).symlink_to(CHECKOUT / "configs" / shipped)
    project = yaml.safe_load((CHECKOUT / "configs/projects/ondermijning.yaml").read_text())
    encoded = {**label, "threshold": 0.85, "margin": 0.03}
    project |= {
        "deliveries": [{"schema": "care_clients", "period": "2016", "suppliers": ["zorg"]}],
        "data": {
            "clients": {
                "delivery": "care_clients",
                "keys": [{"name": "client", "kind": "person", "source": ["clk"], "encoded": encoded}],
            }
        },
        "questions": {"C1": {"text": "How much care?", "uses": {"clients": ["visits"]}}},
        "analyses": [],
    }
    (root / "configs/projects").mkdir()
    (root / "configs/projects/ondermijning.yaml").write_text(yaml.safe_dump(project))


def _persons_csv(office: Office, name: str) -> Path:
    delivered = office.planted.delivery
    path = office.root / "supplier" / name
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle, delimiter=";")
        writer.writerow([*COLUMNS.values(), "visits"])
        writer.writerows(
            zip(*(delivered[field].to_pylist() for field in COLUMNS), range(delivered.num_rows), strict=True)
        )
    return path


@pytest.fixture(scope="module")
def linked(office: Office) -> pa.Table:
    """The linked data of a delivery; ``visits`` is the row's number, which says who it is about."""
    sealed = office.deliver(_persons_csv(office, "clients.csv"))
    office.custodian("receive", sealed)
    office.custodian("pseudonymise")
    office.custodian("link")
    return read_linked(office.workspace / "linked/ondermijning/clients.parquet", office.workspace)


def test_persons_are_linked_by_their_filters_alone(office: Office, linked: pa.Table) -> None:
    assert linked.column_names == ["client", "client_status", "client_pass", "client_weight", "visits"]
    assert linked.num_rows == CLIENTS
    matched = linked.filter(pc.equal(linked["client_status"], "R"))
    # whom a number means is known in the key zone only; here, that nobody is linked who is not in the register
    truth = office.planted.truth[matched["visits"].to_numpy()]
    assert (truth >= 0).mean() >= 0.995
    assert matched.num_rows >= 0.95 * (office.planted.truth >= 0).sum()
    assert len(pc.unique(matched["client"])) == matched.num_rows  # one-to-one
    assert set(matched["client_pass"].to_pylist()) == {1}
    assert 0.85 <= pc.min(matched["client_weight"]).as_py() <= pc.max(matched["client_weight"]).as_py() <= 1
    others = linked.filter(pc.not_equal(linked["client_status"], "R"))
    assert others["client"].null_count == others.num_rows
    assert set(others["client_status"].to_pylist()) == {""}


def test_no_filter_and_no_secret_reaches_a_zone_behind_the_identified_one(office: Office, linked: pa.Table) -> None:
    filters = (office.root / "supplier/filters_clients.csv").read_text().splitlines()[1:]
    canaries = Canaries([line.split(";")[0][:80] for line in filters] + [office.secret.read_text().strip()])
    assert leaking_files([office.root / "supplier"], canaries) != []
    custody = Custody.open(office.workspace / "keys", (office.root / "custodian").read_bytes().strip())
    assert leaking_in(office.workspace, canaries, Opening(custody)) == []


def test_the_quality_report_says_what_it_does_not_know(office: Office, linked: pa.Table) -> None:
    page = (office.workspace / "keys/ondermijning/linkage_quality.md").read_text()
    assert "| similar filters |" in page
    assert "similarity (Dice) is at least 0.85" in page
    assert "0.0–100.0 %" in page  # no record has an identifier: nothing to judge precision by


def test_filters_under_another_secret_are_refused_at_the_door(office: Office) -> None:
    other = office.root / "authority/other.secret"
    zicht("encoding", "secret", other)
    sealed = office.deliver(_persons_csv(office, "other.csv"), secret=other)
    said = office.custodian("receive", sealed, fails=True)
    assert "another secret" in said


@pytest.mark.usefixtures("linked")
def test_filters_without_a_label_get_no_manifest(office: Office) -> None:
    bare = office.root / "supplier/bare.csv"
    bare.write_bytes((office.root / "supplier/filters_clients.csv").read_bytes())
    with pytest.raises(AssertionError, match="what the filters were made under"):
        office.seal(bare)


def test_plain_columns_do_not_travel_beside_their_filter(office: Office) -> None:
    said = zicht(
        *("encoding", "file", _persons_csv(office, "plain.csv"), "--out", office.root / "supplier/x.csv"),
        *("--secret-file", office.secret, "--linkage-schema", LINKAGE_SCHEMA),
        *("--column", "surname=achternaam", "--column", "birth_date=geboren", "--keep", "achternaam"),
        fails=True,
    )
    assert "in plain beside" in said
    assert not (office.root / "supplier/x.csv").exists()


def test_a_register_that_was_not_encoded_under_the_label_stops_the_match(office: Office, linked: pa.Table) -> None:
    (made,) = (office.root / "data/key_register").glob("filters-*.parquet")
    table = pq.read_table(made)
    kept = made.read_bytes()
    try:
        label = json.loads(table.schema.metadata[b"zicht encoding"]) | {"secret_check": "0" * 16}
        changed = table.replace_schema_metadata({**table.schema.metadata, b"zicht encoding": json.dumps(label)})
        made.chmod(0o600)
        pq.write_table(changed, made)
        assert "another linkage schema, secret or length" in office.custodian("pseudonymise", "--again", fails=True)
        pq.write_table(table.slice(1), made)
        assert "holds other persons" in office.custodian("pseudonymise", "--again", fails=True)
        made.unlink()
        assert "zicht encoding register" in office.custodian("pseudonymise", "--again", fails=True)
    finally:
        made.write_bytes(kept)


def test_truth_is_planted(office: Office) -> None:
    assert np.count_nonzero(office.planted.truth < 0) == round(CLIENTS * 0.03)


def test_the_linkage_schema_that_came_with_zicht_is_taken_in_any_folder(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Suppliers have the light installation and no configs/ beside their files."""
    monkeypatch.chdir(tmp_path)
    assert json.loads(zicht("encoding", "label", "--secret-file", office.secret, "--json")) == office.label
