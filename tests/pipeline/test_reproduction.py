"""What a reproduction compares: also what checkers saw, where the request that names its digests lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from enclave.errors import Tampered
from enclave.zones import Workspace, Zone
from output_control.release.verify import VerifyReport, verify_bundle
from output_control.sealed import CheckedOutput
from pipeline.reproduction import compare
from pipeline.research import ResearchDesk
from tests.output_control.desk import ROOT, Office, a_checked_output


@dataclass(frozen=True)
class Auditor:
    """Stands in for the desk that runs the analysis: what comes out of the gate is given."""

    workspace: Workspace
    checked: CheckedOutput

    @property
    def office(self) -> Any:
        use = SimpleNamespace(name="v3", version=1)
        return SimpleNamespace(workspace=self.workspace, project=SimpleNamespace(analysis=lambda _: use))

    def checker(self, _: object) -> Any:
        return lambda: self.checked

    def history(self) -> Any:
        return SimpleNamespace(entries=())


def reproduced(office: Office, bundle: Path, checked: CheckedOutput) -> tuple[str, ...]:
    report: VerifyReport = verify_bundle(bundle, ROOT.public)
    return compare(bundle, report, cast(ResearchDesk, Auditor(office.workspace, checked)))


def test_outputs_evidence_and_annex_are_compared(tmp_path: Path) -> None:
    office = Office(tmp_path / "office").open()
    checked = a_checked_output()
    same = reproduced(office, office.release(office.approved()).path, checked)
    assert set(same) == {*checked.outputs, *checked.evidence, *checked.checker_annex}


def test_another_annex_than_the_checkers_saw_is_found(tmp_path: Path) -> None:
    office = Office(tmp_path / "office").open()
    bundle = office.release(office.approved()).path
    other = a_checked_output(checker_annex={**a_checked_output().checker_annex, "annex/v3/area.json": b"{}"})
    with pytest.raises(Tampered, match=r"1 file\(s\) differ: annex/v3/area\.json"):
        reproduced(office, bundle, other)


def test_an_annex_that_was_altered_since_is_found(tmp_path: Path) -> None:
    office = Office(tmp_path / "office").open()
    release = office.release(office.approved())
    file = office.workspace.path(Zone.REVIEW) / release.request / "annex/v3/area.json"
    file.chmod(0o600)
    file.write_bytes(b"{}")
    with pytest.raises(Tampered, match=r"annex/v3/area\.json was altered"):
        reproduced(office, release.path, a_checked_output())


def test_in_another_installation_the_annex_is_not_compared(tmp_path: Path) -> None:
    office, elsewhere = Office(tmp_path / "office").open(), Office(tmp_path / "elsewhere").open()
    checked = a_checked_output()
    same = reproduced(elsewhere, office.release(office.approved()).path, checked)
    assert set(same) == {*checked.outputs, *checked.evidence}
