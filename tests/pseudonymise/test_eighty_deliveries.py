"""Eighty deliveries of a dirty country: exactly the unacceptable ones are rejected, and planted defects are found."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.eighty_deliveries import (
    FALSE_ALARM_TARGET,
    PROJECT,
    SEMANTIC_TARGET,
    SYNTACTIC_TARGET,
    Measured,
    measure,
    receive_all,
)
from synthetic.country import make_country
from synthetic.file_defects import UNACCEPTABLE


def received(root: Path, persons: int, seed: int) -> tuple[Path, dict[str, str], Measured]:
    country = root / "country"
    make_country(country, persons=persons, seed=seed, dirty=True, programme="full")
    verdicts = receive_all(country, root / "workspace")
    return country, verdicts, measure(country, verdicts)


def refuse_missed_targets(measured: Measured) -> None:
    assert measured.wrong_verdicts == {}
    assert measured.recall("syntactic") >= SYNTACTIC_TARGET, measured.found
    assert measured.recall("semantic") >= SEMANTIC_TARGET, measured.found
    assert measured.false_share <= FALSE_ALARM_TARGET, measured.false_alarms


def test_exactly_the_planted_deliveries_are_rejected_and_planted_defects_found(tmp_path: Path) -> None:
    country, verdicts, measured = received(tmp_path, 6000, 4)
    assert len(verdicts) == 80
    owed = {(each.supplier, f"{each.schema_name}_{each.period}") for each in PROJECT.owed()}
    assert {(file.split("/")[0], Path(file).stem) for file in verdicts} == owed
    refuse_missed_targets(measured)
    # every kind of defect that no file may have is planted, and every rejection says which check said so
    truth = pq.read_table(country / "truth" / "deliveries.parquet").to_pylist()
    assert {kind for row in truth for kind in row["because"].split()} == UNACCEPTABLE
    assert all(": " in verdicts[row["file"]] for row in truth if not row["acceptable"])
    assert sum(measured.planted.values()) > 900 and measured.clean > 9000


def test_a_clean_country_raises_no_alarm_at_all(tmp_path: Path) -> None:
    country = tmp_path / "country"
    make_country(country, persons=3000, seed=5, programme="full")
    verdicts = receive_all(country, tmp_path / "workspace")
    assert set(verdicts.values()) == {"accepted"} and len(verdicts) == 80


@pytest.mark.sweep
def test_a_million_persons_meet_the_same_targets(tmp_path: Path) -> None:
    _, verdicts, measured = received(tmp_path, 1_000_000, 4)
    assert len(verdicts) == 80 and measured.unacceptable == 14
    refuse_missed_targets(measured)
