"""A benchmark that misses a target says so to whoever runs it, and a wrong option is told as one."""

from __future__ import annotations

from collections.abc import Callable
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


@pytest.mark.parametrize("main", [keyed_hash.main, leak_scan.main, linkage_at_source.main, record_linkage.main])
@pytest.mark.parametrize("arguments", [["--nonsense"], ["many"], ["0"], ["-5"], ["1e6"], ["--febrl"]])
def test_a_wrong_option_is_told_as_one(
    main: Callable[[list[str]], object], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err
