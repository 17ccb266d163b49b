"""A benchmark that misses a target says so to whoever runs it, and a wrong option is told as one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import keyed_hash, leak_scan, linkage_at_source, measuring, record_linkage
from benchmarks.measuring import say, verdict


def figures(right: float) -> Callable[..., dict[str, Any]]:
    return lambda *_: {"wall": 1.0, "cpu": 1.0, "precision": 1.0, "recall": right, "links": object()}


@pytest.fixture(autouse=True)
def nothing_missed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_missed", [])


@pytest.mark.parametrize(("recall", "code"), [(0.95, 0), (0.9499, 1), (float("nan"), 1)])
def test_linkage_below_its_target_ends_with_a_code(monkeypatch: pytest.MonkeyPatch, recall: float, code: int) -> None:
    monkeypatch.setattr(record_linkage, "report_one", figures(recall))
    monkeypatch.setattr(record_linkage, "exact", lambda *_: None)
    assert record_linkage.main(["100"]) == code


def test_an_exact_linkage_that_takes_too_long_ends_with_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_linkage, "REGISTER_ROWS", 1000)
    monkeypatch.setattr(record_linkage, "DELIVERY_ROWS", 100)
    monkeypatch.setattr(record_linkage, "JOIN_TARGET", 1000.0)
    assert record_linkage.main(["--exact"]) == 0
    monkeypatch.setattr(record_linkage, "JOIN_TARGET", 0.0)
    assert record_linkage.main(["--exact"]) == 1


@pytest.mark.parametrize(
    ("ours", "code"),
    [
        ({0.5: (80, 90, 100), 0.99: (70, 70, 100)}, 0),  # as good as Splink at each threshold
        ({0.5: (79, 90, 100), 0.99: (70, 70, 100)}, 1),  # one link fewer
        ({0.5: (80, 90, 100), 0.99: (60, 60, 100)}, 1),  # worse than recordlinkage alone
    ],
)
def test_a_worse_f1_than_a_peer_on_febrl_ends_with_a_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ours: dict[float, Any], code: int
) -> None:
    peers = {
        "recordlinkage, documented rule": (65, 65, 100),
        "Splink, documented model, p ≥ 0.5": (80, 90, 100),
        "Splink, documented model, p ≥ 0.99": (70, 70, 100),
    }
    names = list(record_linkage.FEBRL.values())
    printed = json.dumps({"records": {name: {} for name in names}, "results": dict.fromkeys(names, peers)})
    monkeypatch.setattr(
        record_linkage.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, stdout=printed)
    )

    def found(_: object, threshold: float, *, identified: bool) -> tuple[int, int, int]:
        best: tuple[int, int, int] = ours[threshold]
        return best if identified else (1, 1, 100)

    monkeypatch.setattr(record_linkage, "_febrl", found)
    assert record_linkage.main(["--febrl", "python"]) == code
    assert capsys.readouterr().out.count("MISSED") == 4 * code


def test_links_that_differ_between_engines_end_with_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_linkage, "report_one", figures(1.0))
    assert record_linkage.main(["--spark", "100"]) == 1


def test_hashing_that_misses_a_target_ends_with_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def compared(rows: int, _: object) -> None:
        asked.append(rows)
        say(verdict(49.0 if rows == 2 else 51.0, keyed_hash.LOOP_TARGET, least=True))

    monkeypatch.setattr(keyed_hash, "compare", compared)
    assert keyed_hash.main(["1", "3"]) == 0
    assert keyed_hash.main(["1", "2"]) == 1
    assert asked == [1, 3, 1, 2]


@pytest.mark.parametrize(("minutes", "code"), [(5.0, 0), (-1.0, 1)])
def test_a_scan_that_takes_too_long_ends_with_a_code(
    monkeypatch: pytest.MonkeyPatch, minutes: float, code: int
) -> None:
    monkeypatch.setattr(leak_scan, "MINUTES_TARGET", minutes)
    assert leak_scan.main(["500"]) == code


@pytest.mark.parametrize("script", ["febrl", "febrl_clk", "tau_argus"])
def test_every_package_that_a_peer_runs_with_is_pinned(script: str) -> None:
    peers = Path(record_linkage.__file__).parent / "peers"
    lines = [line for line in (peers / f"{script}.txt").read_text().splitlines() if not line.startswith("#")]
    assert [
        line
        for line in lines
        if not re.fullmatch(r"[A-Za-z0-9_-]+==[0-9][0-9a-z.]*( --hash=sha256:[0-9a-f]{64})?", line)
    ] == []
    pinned = {line.partition("==")[0] for line in lines}
    imported = set(re.findall(r"^(?:import|from) (\w+)", (peers / f"{script}.py").read_text(), re.MULTILINE))
    assert imported - set(sys.stdlib_module_names) <= pinned


@pytest.mark.parametrize("main", [keyed_hash.main, leak_scan.main, linkage_at_source.main, record_linkage.main])
@pytest.mark.parametrize("arguments", [["--nonsense"], ["many"], ["0"], ["-5"], ["1e6"], ["--febrl"]])
def test_a_wrong_option_is_told_as_one(
    main: Callable[[list[str]], object], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err
