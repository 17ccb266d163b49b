"""The command that sets `zicht protect` beside its peers tells good from bad by its exit code."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import reference

COLUMNS = ("instance", "peer", "safe", "secondary", "secondary_value", "singleton_exact", "cpu_s")


def beside(folder: Path, *peers: dict[str, object]) -> Path:
    """A reference folder of one small table with one primary, which needs three secondaries of 40 in all."""
    table = folder / "t1"
    table.mkdir(parents=True)
    dims = [
        {"name": "row", "root": "R", "hierarchy": {"R": ["a", "b"]}},
        {"name": "col", "root": "C", "hierarchy": {"C": ["x", "y"]}},
    ]
    described = {"name": "t1", "kind": "frequency", "dims": dims, "measure": "n", "freq": "n"}
    (table / "desc.json").write_text(json.dumps(described | {"rule": {"type": "freq", "n": 3}}))
    (table / "micro.csv").write_text("row,col,n\na,x,1\na,y,10\nb,x,12\nb,y,18\n")
    with (folder / "results.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for peer in peers:
            writer.writerow({"instance": "t1", "safe": "True", "singleton_exact": "0", "cpu_s": "1", **peer})
    return folder


def ran(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as left:
        reference.main([str(folder)])
    return int(str(left.value.code)), capsys.readouterr().out


def test_a_pattern_as_good_as_the_best_safe_peer_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = {"peer": "good", "secondary": 3, "secondary_value": 40}
    unsafe = {"peer": "unsafe", "secondary": 0, "secondary_value": 0, "safe": "False"}
    exposed = {"peer": "exposed", "secondary": 3, "secondary_value": 40, "singleton_exact": "1"}
    code, said = ran(beside(tmp_path, good, unsafe, exposed), capsys)
    assert code == 0 and said.count("good") == 2 and "unsafe" not in said and "exposed" not in said


def test_one_that_hides_more_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ran(beside(tmp_path, {"peer": "better", "secondary": 2, "secondary_value": 30}), capsys)
    assert code == 1 and said.count("ABOVE THE PEER") == 2


@pytest.mark.parametrize(
    ("audit", "verdict"),
    [
        ({"exact": 1, "below_level": 1}, "UNSAFE"),
        ({"below_level": 1}, "UNSAFE"),
        ({"singleton_exact": 1}, "UNSAFE"),
        ({"checked": 0}, "UNSAFE"),
        ({}, "NOT OPTIMAL"),
    ],
)
def test_one_that_is_unsafe_or_not_proven_fails(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    audit: dict[str, int],
    verdict: str,
) -> None:
    real = reference.protect

    def spoiled(*given: Any, **named: Any) -> Any:
        report = real(*given, **named)
        return replace(report, audit=replace(report.audit, **audit), optimal=bool(audit))

    monkeypatch.setattr(reference, "protect", spoiled)
    code, said = ran(beside(tmp_path, {"peer": "good", "secondary": 3, "secondary_value": 40}), capsys)
    assert code == 1 and said.count(verdict) == 2 and "NOT all" in said


def test_a_table_that_cannot_be_protected_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = beside(tmp_path, {"peer": "good", "secondary": 3, "secondary_value": 40})
    monkeypatch.setattr(reference, "protect", lambda *_, **__: (_ for _ in ()).throw(reference.CannotProtect("open")))
    code, said = ran(folder, capsys)
    assert code == 1 and said.count("NOT PROTECTED: open") == 2
    shutil.rmtree(folder / "t1")


def test_the_gates_own_demand_is_measured_beside_flow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = beside(tmp_path)
    with pytest.raises(SystemExit) as left:
        reference.main(["--width", str(folder)])
    assert left.value.code == 0 and "| flow     3               40.0" in capsys.readouterr().out
    monkeypatch.setattr(reference, "ROUNDING", -0.5)
    with pytest.raises(SystemExit) as left:
        reference.main(["--width", str(folder)])
    assert left.value.code == 1 and "ABOVE FLOW" in capsys.readouterr().out
