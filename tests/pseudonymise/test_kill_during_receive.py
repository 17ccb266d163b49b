"""A kill -9 anywhere while a delivery is received: the next run gives what an undisturbed one gives."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from enclave.files import TEMPORARY_MARK
from enclave.journal import Journal
from enclave.zones import Workspace, Zone
from pseudonymise.custody import Custody
from pseudonymise.receipt import Receipt
from tests.conftest import CHECKOUT
from tests.pseudonymise.small_town import Enclave, csv_bytes, hemp_rows

DIGESTS_OF_ENCRYPTED_FILES = {"accepted_frame": "", "quarantine_frame": ""}


def received_until(root: Path, sealed: Path, kill_at: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.pseudonymise.killed_receive", str(root), str(sealed), str(kill_at)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def copied(enclave: Enclave, root: Path) -> Enclave:
    shutil.copytree(enclave.workspace.root, root)
    workspace = Workspace(root)
    custody = Custody.open(workspace.path(Zone.KEY), b"een zin")
    return replace(enclave, workspace=workspace, custody=custody, journal=Journal(workspace.journal))


def comparable(receipt: Receipt) -> dict[str, object]:
    return {**receipt.findings.as_json(), **DIGESTS_OF_ENCRYPTED_FILES}


@pytest.fixture
def delivered(tmp_path: Path) -> tuple[Enclave, Path]:
    enclave = Enclave.at(tmp_path)
    rows = [{**row, "plants": "x"} if place in (7, 31) else row for place, row in enumerate(hemp_rows(40))]
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(rows))
    sealed = enclave.seal(file, "hemp_clearances", 40)
    custody = enclave.custody
    custody.encryption("demo", enclave.project.retention_date)
    return enclave, sealed


def check_after_a_kill(delivered: tuple[Enclave, Path], root: Path, kill_at: int) -> bool:
    """Whether the kill came before the end."""
    enclave, sealed = delivered
    undisturbed = copied(enclave, root / "undisturbed")
    expected = undisturbed.receive(sealed)
    killed = copied(enclave, root / f"killed-{kill_at}")
    process = received_until(killed.workspace.root, sealed, kill_at)
    again = killed.receive(sealed)
    assert comparable(again) == comparable(expected)
    assert killed.accepted(again).equals(undisturbed.accepted(expected), check_metadata=True)
    assert killed.quarantined(again).equals(undisturbed.quarantined(expected), check_metadata=True)
    again.verify(killed.custody.receipt_key().public)
    killed.journal.verify([])
    assert set(killed.bytes_of_zones()) == set(undisturbed.bytes_of_zones())
    assert not list(killed.workspace.path(Zone.IDENTIFIED).rglob(f"*{TEMPORARY_MARK}*"))
    shutil.rmtree(root / "undisturbed")
    return process.returncode == -9


def test_a_run_that_is_not_killed_says_how_many_operations_it_has(
    delivered: tuple[Enclave, Path], tmp_path: Path
) -> None:
    killed = copied(delivered[0], tmp_path / "whole")
    process = received_until(killed.workspace.root, delivered[1], 0)
    assert process.returncode == 0, process.stderr
    assert int(process.stdout) >= 15


@pytest.mark.parametrize("kill_at", [2, 5, 8, 11, 14, 17])
def test_a_kill_loses_nothing(delivered: tuple[Enclave, Path], tmp_path: Path, kill_at: int) -> None:
    assert check_after_a_kill(delivered, tmp_path, kill_at)


@pytest.mark.sweep
def test_a_kill_at_every_operation_loses_nothing(delivered: tuple[Enclave, Path], tmp_path: Path) -> None:
    kill_at = 1
    while check_after_a_kill(delivered, tmp_path, kill_at):
        kill_at += 1
    assert kill_at > 15
