"""A clerk's journey: from installing the light distribution to a signed receipt, a correction and a withdrawal."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from enclave.journal import Journal
from pipeline.unseen import not_looked_at
from tests.conftest import CHECKOUT
from tests.municipality.light import LOCK, Light, build_wheel, installed, linked, locked
from tests.pipeline.job import Done, zicht
from tests.pseudonymise.small_town import csv_bytes, hemp_rows

PLATFORMS = {
    "Windows": ["win_amd64"],
    "macOS": ["macosx_14_0_arm64"],  # Apple silicon: cryptography makes no wheels for Intel any more
    "Linux": [f"{tag}_x86_64" for tag in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")],
    "Linux on ARM": [f"{tag}_aarch64" for tag in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")],
}
STATISTICS = {"pandas", "pandera", "duckdb", "statsmodels", "scikit-learn", "scipy", "pyspark", "splink", "highspy"}


@pytest.fixture(scope="session")
def light(tmp_path_factory: pytest.TempPathFactory) -> Light:
    """The packages of the lock alone, with the wheel."""
    folder = tmp_path_factory.mktemp("light")
    return linked(folder, build_wheel(folder))


class Office:
    """The enclave, with the full installation."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = root / "office"
        self.share = root / "share"
        self.share.mkdir(parents=True)
        (root / "data").mkdir()
        (root / "pass").write_text("een zin")
        (root / "pass").chmod(0o600)
        secret = root / "pass"
        phrases = [f"--{who}-passphrase-file={secret}" for who in ("custodian", "root", "service")]
        self.said("init", "--data", root / "data", "--configs", CHECKOUT / "configs", *phrases)

    def zicht(self, *arguments: str | Path) -> Done:
        return zicht(*arguments, "--workspace", self.workspace)

    def said(self, *arguments: str | Path) -> str:
        done = self.zicht(*arguments)
        assert done.code == 0, done.said
        return done.out

    def takes(self) -> str:
        """Receive what lies in the hand-in folder."""
        return self.said("receive", "--hand-in", self.share, "--passphrase-file", self.root / "pass")

    def looks(self) -> str:
        """Hold what was accepted beside a register of one person and one home."""
        register = self.root / "data" / "key_register"
        register.mkdir()
        person = {"bsn": ["999990019"], "surname": ["Verzonnen"], "birth_date": ["19700201"]}
        pq.write_table(pa.table(person), register / "persons.parquet")
        pq.write_table(pa.table({"bag_id": ["9001010000000001"]}), register / "addresses.parquet")
        return self.said("plausibility", "--passphrase-file", self.root / "pass")

    def key(self, name: str) -> Path:
        return self.workspace / "public-keys" / name


class Clerk:
    """A clerk with the light installation."""

    def __init__(self, light: Light, office: Office) -> None:
        self.light = light
        self.office = office
        self.recipient = office.key("seal-ondermijning.pub")

    def says(self, *arguments: str | Path) -> str:
        done = self.light.zicht(*arguments)
        assert done.code == 0, done.err
        return done.out

    def delivers(self, rows: int, *more: str) -> str:
        """Check, describe, seal and hand in; returns the delivery's name."""
        file = f"hemp_{rows}.csv"
        (self.light.home / file).write_bytes(csv_bytes(hemp_rows(rows)))
        kind = ("--schema", "hemp_clearances", "--period", "2016")
        assert "kan geleverd worden" in self.says("delivery", "check", file, *kind, "--language", "nl")
        declared = ("--supplier", "GM9001", "--legal-basis", "CBS-wet, artikel 33", "--purpose", "risk factors")
        declared += ("--retention-date", "2031-12-31", "--contact", "gegevensbeheer@example.org")
        self.says("delivery", "manifest", file, *kind, *declared, "--out", "manifest.yaml")
        sealed = ("delivery", "seal", file, "--to", self.recipient, "--manifest", "manifest.yaml")
        found = re.search(r"sealed outbox/(\S+)\.zicht", self.says(*sealed, *more).replace(os.sep, "/"))
        assert found
        self.says("delivery", "hand-in", f"outbox/{found[1]}.zicht", "--to", self.office.share)
        return found[1]

    def verifies(self, answer: str, *more: str | Path) -> str:
        place = self.office.share / "receipts" / answer
        key = self.office.key("receipt.pub")
        return self.says("receipt", "verify", place, "--key", key, "--outbox", "outbox", "--language", "nl", *more)


def journey(light: Light, root: Path) -> None:
    office = Office(root)
    clerk = Clerk(light, office)
    assert "hemp_clearances" in clerk.says("delivery", "schemas")
    assert "vervangen door een sleutelhash" in clerk.says("delivery", "schemas", "hemp_clearances", "--language", "nl")
    for form in ("csv", "xlsx", "sav"):
        empty = f"empty.{form}"
        clerk.says("delivery", "template", "hemp_clearances", "--out", empty)
        clerk.says("delivery", "check", empty, "--schema", "hemp_clearances", "--period", "2016")

    first = clerk.delivers(12)
    office.takes()
    told = clerk.verifies(f"{first}.json", "--file", "hemp_12.csv")
    assert "klopt: ondertekend door ed25519/" in told
    assert "aangenomen; ontvangen 12, aangenomen 12, apart gezet 0" in told

    assert "1 not looked at (zicht plausibility)" in office.said("status")
    office.looks()
    assert not_looked_at(Journal(office.workspace / "journal").entries(), ()) == ()

    second = clerk.delivers(15, "--replaces", first)
    office.takes()
    assert "aangenomen 15" in clerk.verifies(f"{second}.json", "--file", "hemp_15.csv")
    assert f"replaced by {second}" in clerk.verifies(f"{first}.withdrawn.json")

    clerk.says("delivery", "withdraw", second, "--reason", "not-allowed", "--to", clerk.recipient)
    clerk.says("delivery", "hand-in", f"outbox/{second}.withdrawal", "--to", office.share)
    assert "releases that used it: none" in office.takes()
    assert "withdrawn by the supplier" in clerk.verifies(f"{second}.withdrawn.json")
    assert not list((office.workspace / "identified").rglob("*.parquet"))
    office.takes()

    journal = Journal(light.home / "outbox" / "journal")
    journal.verify()
    done = ["sealed", "handed-in", "receipt-verified"]
    assert [entry.action for entry in journal.entries()] == [
        *done,
        *done,
        "receipt-verified",
        "withdrawal-asked",
        "handed-in",
        "receipt-verified",
    ]
    office.said("journal", "verify")


def test_a_clerk_comes_from_the_light_installation_to_a_receipt_a_correction_and_back(
    light: Light, tmp_path: Path
) -> None:
    journey(light, tmp_path)


@pytest.mark.registry
def test_the_same_in_a_fresh_environment_from_the_registry(tmp_path: Path) -> None:
    light = installed(tmp_path / "light", build_wheel(tmp_path))
    pip = str(tmp_path / "light/venv/bin/pip")
    listed = subprocess.run([pip, "list", "--format=json"], check=True, capture_output=True, text=True).stdout
    names = {str(entry["name"]).lower().replace("_", "-") for entry in json.loads(listed)}
    assert names - {"pip", "setuptools", "zicht"} == set(locked())
    assert subprocess.run([pip, "check"], check=False, capture_output=True).returncode == 0
    journey(light, tmp_path / "journey")


@pytest.mark.registry
@pytest.mark.parametrize("system", PLATFORMS)
@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_every_part_has_a_wheel_for_each_system(system: str, version: str, tmp_path: Path) -> None:
    tags = [word for tag in PLATFORMS[system] for word in ("--platform", tag)]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    command += ["--only-binary=:all:", *tags, "--python-version", version, "--target", str(tmp_path)]
    # pip judges conditions by the system that it runs on: all parts of all systems are asked for
    lock = tmp_path / "every-system.lock"
    lock.write_text(re.sub(r" ; .* \\$", r" \\", LOCK.read_text(), flags=re.MULTILINE))
    done = subprocess.run(
        [*command, "--require-hashes", "--requirement", str(lock)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_light_lock_has_nothing_of_the_statistics_stack_and_no_address() -> None:
    assert not STATISTICS & set(locked())
    assert "://" not in LOCK.read_text()
    assert all("--hash=sha256:" in part for part in re.split(r"\n(?=[a-z])", LOCK.read_text()))


def test_both_locks_have_the_same_versions() -> None:
    both = [
        dict(re.findall(r"^([a-z][a-z0-9._-]*)(?:\[[^]]*\])?==(\S+)", (CHECKOUT / name).read_text(), re.MULTILINE))
        for name in ("municipality.lock", "requirements.lock")
    ]
    light, full = both
    assert {name: version for name, version in light.items() if full.get(name, version) != version} == {}


def test_the_light_lock_is_what_the_base_of_the_distribution_asks_for() -> None:
    base = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["dependencies"]
    asked = {re.split(r"[<>=]", text)[0].lower() for text in base}
    needed, waiting = set(asked), list(asked)
    while waiting:
        for text in metadata.requires(waiting.pop()) or ():
            name = re.split(r"[ <>=!~;\[(]", text)[0].lower().replace("_", "-")
            if "extra ==" not in text and "python" not in text.partition(";")[2] and "indows" not in text:
                waiting += [name] if name not in needed else []
                needed.add(name)
    assert needed <= set(locked())


def test_a_command_of_the_enclave_says_what_it_needs(light: Light) -> None:
    done = light.zicht("protect", "x", "--out", "y")
    assert (done.code, "Traceback" in done.err) == (10, False), done.err
    assert "is not installed" in done.err
    assert "zicht[enclave]" in done.err


def test_a_list_of_all_faulty_rows_opens_in_a_spreadsheet_and_holds_no_value(light: Light) -> None:
    rows = [{**row, "plants": "geheim" if n % 2 else row["plants"]} for n, row in enumerate(hemp_rows(40))]
    rows[6]["postcode"] = "0000"
    (light.home / "many.csv").write_bytes(csv_bytes(rows))
    done = light.zicht(
        "delivery", "check", "many.csv", "--schema", "hemp_clearances", "--period", "2016",
        "--rows", "fouten.csv", ZICHT_LANGUAGE="nl",
    )  # fmt: skip
    assert done.code == 2
    assert "20 van 40 rijen" in done.out or "21 van 40 rijen" in done.out
    text = (light.home / "fouten.csv").read_bytes().decode("utf-8-sig")
    listed = list(csv.reader(text.splitlines(), delimiter=";"))
    assert listed[0] == ["bestand", "rij", "rij in Excel", "kolom", "fout"]
    assert [row[1:3] for row in listed[1:] if row[3] == "plants"] == [[str(n), str(n + 1)] for n in range(2, 41, 2)]
    assert ["many.csv", "7", "8", "postcode"] in [row[:4] for row in listed]
    assert {row[4] for row in listed[1:] if row[3] == "plants"} == {"geen geheel getal, in cijfers"}
    assert "geschreven: fouten.csv" in done.out
    assert "geheim" not in text + done.out
