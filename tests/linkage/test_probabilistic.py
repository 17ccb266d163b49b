"""Matching by name against planted truth: right, complete, the same on every run, silent, and alone on its machine."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from enclave.engine import EngineName
from enclave.errors import BadInput
from enclave.project import PersonField
from linkage.evidence import evidence_of
from linkage.person_fields import REGISTER_COLUMNS, prepare
from linkage.person_model import PERSONS
from linkage.probabilistic import Result, Room, match_units
from linkage.unit_model import UnitModel
from synthetic.misspelt_persons import Planted, misspelt_persons
from synthetic.whole_names import whole_names
from tests.canary_search import Canaries, leaking_files
from tests.linkage.conftest import CHECKOUT

THRESHOLD = 0.99


def run(
    planted: Planted,
    scratch: Path,
    *,
    threads: int = 1,
    known: int = 0,
    units: UnitModel = PERSONS,
    engine: EngineName = "duckdb",
    columns: Mapping[PersonField, str] = REGISTER_COLUMNS,
    **how: Any,
) -> Result:
    """Match all records but the first ``known``, which keep their identifier."""
    rows = planted.delivery.num_rows
    truth = pa.array(planted.truth, mask=(planted.truth < 0) | (np.arange(rows) >= known))
    stranger = pa.array((planted.truth < 0) & (np.arange(rows) < known))
    identifier = pc.if_else(stranger, "not in the register", planted.register["bsn"].take(truth).combine_chunks())
    delivered = prepare(planted.delivery, columns).append_column("identifier", identifier)
    delivered = delivered.append_column("record", pa.array(np.arange(rows)))
    register = prepare(planted.register, REGISTER_COLUMNS).append_column("unit", planted.register["RINPERSOON"])
    register = register.append_column("identifier", planted.register["bsn"])
    room = Room(scratch, threads, engine=engine)
    return match_units(units, delivered, register.to_reader(), room=room, threshold=THRESHOLD, **how)


def measured(planted: Planted, result: Result) -> tuple[float, float]:
    """Precision and recall of the wanted records that are linked."""
    found = result.found.take(result.found.probability >= THRESHOLD)
    right = (planted.truth[found.record] == found.unit.cast(pa.int64()).to_numpy()).sum()
    return right / len(found.record), right / (planted.truth[result.wanted] >= 0).sum()


@pytest.fixture(scope="module", params=[12_500, pytest.param(50_000, marks=pytest.mark.sweep)])
def planted(request: pytest.FixtureRequest) -> Planted:
    return misspelt_persons(request.param, request.param * 2 // 5, seed=3)


def known(planted: Planted) -> int:
    """How many records keep their identifier."""
    return planted.delivery.num_rows // 5


@pytest.fixture(scope="module")
def result(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run(planted, tmp_path_factory.mktemp("scratch"), one_to_one=True, known=known(planted))


def test_planted_pairs_are_found_with_hardly_a_wrong_one(planted: Planted, result: Result) -> None:
    precision, recall = measured(planted, result)
    assert precision >= 0.995
    assert recall >= 0.95


def test_no_unit_takes_two_records(planted: Planted, result: Result) -> None:
    units = result.found.unit.to_pylist()
    assert len(set(units)) == len(units) > 3 / 4 * planted.delivery.num_rows


def test_labelled_records_tell_the_precision_and_recall_of_the_others(planted: Planted, result: Result) -> None:
    evidence = evidence_of(result, threshold=THRESHOLD, review=0.5, one_to_one=True)
    precision, recall = measured(planted, result)
    assert evidence.precision.whole > 3 / 4 * known(planted)
    assert evidence.precision.low <= precision <= evidence.precision.high + 1e-9
    assert evidence.recall.low - 0.005 <= recall <= evidence.recall.high + 0.005
    assert evidence.linked == sum(evidence.passes.values())
    assert evidence.expected_precision is not None
    assert evidence.expected_precision >= 0.995
    assert evidence.blocking is not None
    assert evidence.blocking.whole == evidence.recall.whole
    assert evidence.recall.part <= evidence.blocking.part < evidence.blocking.whole


def test_persons_who_are_not_in_the_register_stay_unlinked(planted: Planted, result: Result) -> None:
    linked = set(result.found.record[result.found.probability >= THRESHOLD].tolist())
    strangers = set(np.flatnonzero(planted.truth < 0).tolist())
    assert len(strangers) > planted.delivery.num_rows / 40
    assert len(strangers & linked) <= 2


def test_one_and_two_threads_give_the_same_matches(planted: Planted, result: Result, tmp_path: Path) -> None:
    again = run(planted, tmp_path, threads=2, one_to_one=True, known=known(planted))
    assert again.model == result.model
    for one, other in ((again.found, result.found), (again.labelled.found, result.labelled.found)):
        assert one.unit.equals(other.unit)
        for name in ("record", "weight", "probability", "rule", "links"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


@pytest.fixture(scope="module")
def few() -> Planted:
    return misspelt_persons(3_000, 150, seed=4)


def test_a_small_delivery_is_matched_too(few: Planted, tmp_path: Path) -> None:
    precision, recall = measured(few, run(few, tmp_path))
    assert precision == 1
    assert recall >= 0.95


def test_postcodes_of_four_digits_leave_the_levels_of_the_address_chances(few: Planted, tmp_path: Path) -> None:
    """Levels that cannot occur take nothing of u: else an address elsewhere would speak for a match."""
    four = pc.utf8_slice_codeunits(few.delivery["postcode"], 0, 4)
    at = few.delivery.column_names.index("postcode")
    found = run(Planted(few.register, few.delivery.set_column(at, "postcode", four), few.truth), tmp_path)
    (address,) = (comparison for comparison in found.model.comparisons if comparison.name == "address")
    assert sum(level.u or 0 for level in address.levels) == pytest.approx(1, abs=1e-4)


def test_whole_names_in_one_column_are_matched_as_well_as_their_parts(tmp_path: Path) -> None:
    planted = misspelt_persons(6_000, 3_000, seed=3)
    whole = planted.delivery.append_column("whole", whole_names(planted.delivery, seed=3))
    rest: dict[PersonField, str] = {name: name for name in ("birth_date", "sex", "postcode", "house_number")}
    found = run(replace(planted, delivery=whole), tmp_path, columns=rest | {"full_name": "whole"})
    precision, recall = measured(planted, found)
    assert precision >= 0.995
    assert recall >= 0.98  # of separate columns 0.99


def test_an_empty_delivery_and_one_without_wanted_records_are_no_error(few: Planted, tmp_path: Path) -> None:
    none = Planted(few.register, few.delivery.slice(0, 0), few.truth[:0])
    assert len(run(none, tmp_path).found.record) == 0
    assert len(run(few, tmp_path, known=150).found.record) == 0


def test_nothing_is_printed_logged_or_asked_of_a_network(
    few: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked for something")

    for name in ("connect", "connect_ex", "bind"):
        monkeypatch.setattr(socket.socket, name, refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    heard: list[logging.LogRecord] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record)

    listener = Listening(level=0)
    logging.getLogger().addHandler(listener)
    try:
        run(few, tmp_path)
    finally:
        logging.getLogger().removeHandler(listener)
    assert heard == []
    assert capfd.readouterr() == ("", "")


def test_an_error_of_splink_quotes_no_statement(few: Planted, tmp_path: Path) -> None:
    broken = replace(PERSONS, passes=(("broken", "CAST(l.surname AS BIGINT) = 1 AND l.birth = r.birth"),))
    with pytest.raises(BadInput) as caught:
        run(few, tmp_path, units=broken)
    assert str(caught.value).startswith("probabilistic linkage failed (")
    assert caught.value.__cause__ is None
    assert "surname" not in str(caught.value)


_ALONE = """
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from synthetic.misspelt_persons import misspelt_persons
from tests.linkage.test_probabilistic import run
run(misspelt_persons(6_000, 2_000, seed=4), Path(sys.argv[1]))
"""


def test_no_name_is_left_in_any_file(tmp_path: Path) -> None:
    planted = misspelt_persons(6_000, 2_000, seed=4)
    names = [*planted.register["surname"].unique().to_pylist()[:400], *planted.register["bsn"].to_pylist()[5000:5400]]
    scratch, home, temporary = (tmp_path / name for name in ("scratch", "home", "tmp"))
    for folder in (scratch, home, temporary):
        folder.mkdir()
    environment = {"PYTHONPATH": str(CHECKOUT), "HOME": str(home), "TMPDIR": str(temporary), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", _ALONE, str(scratch)], capture_output=True, check=True, env=environment, cwd=home
    )
    (home / "said").write_bytes(done.stdout + done.stderr)
    canaries = Canaries([name for name in names if len(name) >= 7])
    assert canaries.found_in("\n".join(names).encode()) > 300
    assert leaking_files([scratch, home, temporary], canaries) == []
    assert list(scratch.rglob("*")) == []


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(5))
def test_precision_and_recall_hold_for_other_countries(seed: int, tmp_path: Path) -> None:
    planted = misspelt_persons(200_000, 100_000, seed=seed)
    precision, recall = measured(planted, run(planted, tmp_path, threads=2, one_to_one=True))
    assert precision >= 0.995
    assert recall >= 0.95
