"""Entities by name and address, and addresses by their parts, against planted truth; how names and streets are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from enclave.engine import EngineName
from enclave.errors import BadInput
from enclave.project import UnitKind
from linkage import address_fields, entity_fields
from linkage.evidence import is_right
from linkage.probabilistic import Result, Room, match_units
from linkage.unit_models import model_of
from linkage.unit_register import find_units, read_units
from synthetic.misspelt_entities import misspelt_addresses, misspelt_entities
from synthetic.misspelt_persons import Planted

THRESHOLD = 0.99
KNOWN = 500


def run(
    kind: UnitKind,
    planted: Planted,
    folder: Path,
    *,
    threads: int = 1,
    without: tuple[str, ...] = (),
    engine: EngineName = "duckdb",
    known: int = KNOWN,
) -> Result:
    """Match all records but the first ``known``, which keep their identifier, against a register file."""
    units = model_of(kind)
    (column, *_) = units.identifiers.values()
    rows = planted.delivery.num_rows
    own = pa.array(planted.truth, mask=(planted.truth < 0) | (np.arange(rows) >= known))
    register = planted.register.drop_columns([n for n in ("core", "home") if n in planted.register.column_names])
    if kind == "entity":
        register = register.append_column("kvk", pa.array([""] * register.num_rows))
    pq.write_table(_with_test_numbers(register, column), folder / units.register)
    identifiers = read_units(units, folder / units.register, None).read_all()["identifier"]
    given = {f: c for f, c in units.register_columns.items() if c in planted.delivery.column_names and f not in without}
    delivered = units.prepare(planted.delivery, given).append_column("identifier", identifiers.take(own))
    return match_units(
        units,
        delivered.append_column("record", pa.array(np.arange(rows))),
        read_units(units, folder / units.register, None),
        room=Room(folder, threads, engine=engine),
        threshold=THRESHOLD,
    )


def _with_test_numbers(register: pa.Table, column: str) -> pa.Table:
    """Identifiers that pass their checks: BAG numbers; RSINs of which every eleventh nine digits are one."""
    at = np.arange(register.num_rows)
    if column == "bag_id":
        made = [f"9001010{number:09d}" for number in at.tolist()]
    else:
        digits = np.stack([(100_000_00 + at) // 10**power % 10 for power in range(7, -1, -1)], axis=1)
        last = (digits * np.arange(9, 1, -1)).sum(axis=1) % 11
        made = [f"{100_000_00 + n}{check}" if check < 10 else "" for n, check in zip(at.tolist(), last, strict=True)]
    return register.set_column(register.column_names.index(column), column, pa.array(made))


def measured(planted: Planted, result: Result) -> tuple[float, float]:
    found = result.found.take(result.found.probability >= THRESHOLD)
    unit = pc.utf8_slice_codeunits(found.unit, 1).cast(pa.int64()).to_numpy()
    right = (planted.truth[found.record] == unit).sum()
    return right / len(found.record), right / (planted.truth[result.wanted] >= 0).sum()


SISTER = {"name": "Kwartelgroef Holding B.V.", "trade_name": "", "postcode": "1099AA", "house_number": "7"}
BAKER = {"name": "Zeepaard Bakkerij V.O.F.", "trade_name": "", "postcode": "1097CC", "house_number": "5"}
SHOP = {"name": "Zeepaard Bakkerij V.O.F.", "trade_name": "Het Gouden Ei", "postcode": "1098BB", "house_number": "3"}


def with_a_sister_and_a_shop(planted: Planted) -> Planted:
    """The register knows the holding only, and the last record but one is the firm of the same name at the same
    address; it has two rows of the baker, of whose second shop the last record is, by its trade name."""
    known = planted.register.append_column("trade_name", pa.array([""] * planted.register.num_rows))
    rows = [("9999999", SISTER), ("8888888", BAKER), ("8888888", SHOP)]
    more = pa.Table.from_pylist([{"BEID": unit, "rsin": "", **row} for unit, row in rows])
    register = pa.concat_tables([known.select(more.column_names), more])
    written = [{**SISTER, "name": "Kwartelgroef B.V."}, {**SHOP, "name": "gouden ei"}]
    last = pa.Table.from_pylist([{"rsin": "", **row} for row in written]).select(planted.delivery.column_names)
    return Planted(register, pa.concat_tables([planted.delivery, last]), np.append(planted.truth, [-1, 8888888]))


@pytest.fixture(scope="module")
def planted() -> dict[UnitKind, Planted]:
    entities = misspelt_entities(10_000, 2_500, seed=3)
    return {"entity": with_a_sister_and_a_shop(entities), "object": misspelt_addresses(10_000, 2_500, seed=3)}


@pytest.mark.parametrize(("kind", "least"), [("entity", 0.90), ("object", 0.97)])
def test_planted_units_are_found_with_hardly_a_wrong_one(
    kind: UnitKind, least: float, planted: dict[UnitKind, Planted], tmp_path: Path
) -> None:
    result = run(kind, planted[kind], tmp_path)
    precision, recall = measured(planted[kind], result)
    assert precision >= 0.998
    assert recall >= least
    accepted = result.labelled.found.probability >= THRESHOLD
    assert is_right(result.labelled)[accepted].mean() >= 0.998
    found = result.found.take(result.found.record >= 2_498)
    register = tmp_path / result.units.register
    shown = find_units(result.units, register, found.unit, found.row, None)
    assert shown.column_names == list(result.units.fields)
    assert shown.num_rows == len(found.record)
    if kind == "entity":
        assert found.unit.to_pylist()[-2:] == ["E9999999", "E8888888"]
        assert found.probability[-2] < 0.9  # same address, nearly the same name, and another firm
        assert found.probability[-1] >= THRESHOLD  # rows of one unit are no rivals
        matched_first = {"name": "zeepaardbakkery", "other": "goudenei | –", "postcode": "1098BB | 1097CC"}
        assert shown.select(list(matched_first)).to_pylist()[-1] == matched_first


def test_a_delivery_of_a_few_addresses_is_linked_where_it_is_plain(tmp_path: Path) -> None:
    """Half a false pair of 30 records would weigh 60 to 1, which is below any threshold: the register knows better."""
    few = misspelt_addresses(10_000, 30, seed=3)
    precision, recall = measured(few, run("object", few, tmp_path, known=0))
    assert precision == 1
    assert recall >= 0.85


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(3))
def test_planted_units_are_found_in_other_countries(seed: int, tmp_path: Path) -> None:
    firms, homes = misspelt_entities(50_000, 20_000, seed=seed), misspelt_addresses(50_000, 20_000, seed=seed)
    without = ("postcode", "house_number")
    cases: tuple[tuple[UnitKind, Planted, tuple[str, ...], float], ...] = (
        ("entity", firms, (), 0.85), ("entity", firms, without, 0.6), ("object", homes, (), 0.97),
        ("object", homes, ("street", "municipality"), 0.88), ("object", homes, ("postcode",), 0.85),
    )  # fmt: skip
    for kind, made, bare, least in cases:
        precision, recall = measured(made, run(kind, made, tmp_path, without=bare))
        assert precision >= 0.99
        assert recall >= least


def columns(table: pa.Table, row: int, *names: str) -> tuple[Any, ...]:
    return tuple(table[name][row].as_py() for name in names)


def test_legal_forms_are_one_however_they_are_written() -> None:
    written = [
        "Stichting De Brug", "St. De Brug", "De Brug, stichting", "STG. BRUG",
        "Bakker & Zn. B.V.", "Bakker en Zn BV", "Bakker en zn b. v.",
        "V.O.F. Gebr. IJzerman", "gebroeders Yzerman vof",
        "Jansen h.o.d.n. 't Hoekje", "", "B.V.",
    ]  # fmt: skip
    made = entity_fields.prepare(pa.table({"n": written}), {"name": "n"})
    assert {columns(made, row, "name", "form") for row in range(4)} == {("brug", "stichting")}
    assert {columns(made, row, "name", "form") for row in (4, 5, 6)} == {("bakkerenzn", "bv")}
    assert {columns(made, row, "name", "form", "words") for row in (7, 8)} >= {
        ("gebroedersyzerman", "vof", "gebroeders yzerman")
    }
    assert columns(made, 9, "name", "other") == ("jansen", "thoekje")
    assert columns(made, 10, "name", "form", "longest", "words") == (None, None, None, None)
    assert columns(made, 11, "name", "form") == ("bv", "bv")


def test_words_are_put_in_order_and_the_longest_is_found() -> None:
    made = entity_fields.prepare(pa.table({"n": ["Zorg Anker Thuis", None, "Anker"]}), {"name": "n"})
    assert [columns(made, row, "words", "longest") for row in range(3)] == [
        ("anker thuis zorg", "anker"),
        (None, None),
        ("anker", "anker"),
    ]


def test_words_of_a_group_tell_sisters_apart() -> None:
    made = entity_fields.prepare(pa.table({"n": ["Anker Holding B.V.", "Anker Beheer BV", "Holding"]}), {"name": "n"})
    assert [columns(made, row, "name", "core") for row in range(3)] == [
        ("ankerholding", "anker"),
        ("ankerbeheer", "anker"),
        ("holding", "holding"),
    ]


def test_addresses_are_one_however_they_are_written() -> None:
    table = pa.table(
        {
            "street": ["Kerkstr.", "KERKSTRAAT", "Burg. IJsbrandln", "burgemeester Ysbrandlaan", "St. Janspln."]
            + ["x"] * 4,
            "number": ["12-A", "12", "0012 bis", "12", "x", "nr. 12 huis", "12.0", "12", "t/o 12"],
            "addition": ["", "a", None, "bis", "A", "", "II hoog", "onbekend", "n.v.t."],
            "postcode": ["1234 ab", "1234AB", "0234AB", "1234"] + [None] * 5,
            "town": ["GM0363", "0363", "363", None, "gm0363"] + [None] * 4,
        }
    )
    given: dict[Any, str] = {"street": "street", "house_number": "number", "addition": "addition"}
    made = address_fields.prepare(table, {**given, "postcode": "postcode", "municipality": "town"})
    assert [columns(made, row, "street", "number", "addition") for row in range(5)] == [
        ("kerkstraat", "12", "A"),
        ("kerkstraat", "12", "A"),
        ("burgemeesterysbrandlaan", "12", "BIS"),
        ("burgemeesterysbrandlaan", "12", "BIS"),
        ("sintjansplein", None, None),
    ]
    doors = [columns(made, row, "number", "addition") for row in range(5, 9)]
    assert doors == [("12", "HS"), ("12", "2"), ("12", None), ("12", "TO")]
    assert made["postcode"].to_pylist()[:5] == ["1234AB", "1234AB", None, None, None]
    assert made["place"].to_pylist()[:5] == ["1234", "1234", None, "1234", None]
    assert made["town"].to_pylist()[:5] == ["0363", "0363", None, None, "0363"]


def test_the_country_s_register_of_entities_and_addresses_is_read_and_a_poor_one_refused(
    country: Path, tmp_path: Path
) -> None:
    marks: dict[UnitKind, str] = {"entity": "E", "object": "O"}
    for kind, mark in marks.items():
        units = model_of(kind)
        table = read_units(units, country / "key_register" / units.register, None).read_all()
        assert table.num_rows == pq.read_metadata(country / "key_register" / units.register).num_rows
        assert set(pc.utf8_slice_codeunits(table["unit"], 0, 1).to_pylist()) == {mark}
        assert table["identifier"].null_count < table.num_rows
    pq.write_table(pa.table({"BEID": ["1"], "rsin": [""], "kvk": [""]}), tmp_path / "entities.parquet")
    with pytest.raises(BadInput, match="every column to compare by"):
        read_units(model_of("entity"), tmp_path / "entities.parquet", None)
