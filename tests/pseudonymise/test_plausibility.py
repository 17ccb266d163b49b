"""Deliveries beside the period before: what changed as a whole is told, what chance does is not, small groups never."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from enclave.project import Project
from pipeline.plausibility import Checked, check_deliveries, looked_at
from pipeline.unseen import LOOKED_AT, not_looked_at
from pseudonymise.plausibility import SMALL, Caution, Oddity, Profile, column_profile, compare
from pseudonymise.receipt import Receipt
from pseudonymise.register_check import Doubt, IdentifiedRegister
from tests.pseudonymise.small_town import NOW, SCHEMAS, Enclave, Row, csv_bytes, hemp_rows

HEMP = SCHEMAS["hemp_clearances"]
TAX = SCHEMAS["property_tax"]
Numbered = npt.NDArray[np.int64]


def codes(counts: dict[str, int]) -> Profile:
    """A delivery of property tax of which only the use codes are known."""
    values = pa.array([code for code, count in counts.items() for _ in range(count)])
    column = column_profile(TAX.column("use_code"), values, "2016")
    return Profile(
        supplier="GM9001", schema_name="property_tax", period="2016", rows=len(values), quarantined=0,
        columns={"use_code": column},
    )  # fmt: skip


def oddities(cautions: tuple[Caution, ...]) -> list[tuple[Oddity, str]]:
    return [(each.oddity, f"{each.column} {each.category}".strip()) for each in cautions]


def test_shares_that_moved_beyond_chance_and_by_five_points_are_told() -> None:
    before = codes({"10": 800, "11": 200})
    assert compare(codes({"10": 780, "11": 220}), before) == ()  # two points
    assert compare(codes({"10": 70, "11": 30}), codes({"10": 80, "11": 20})) == ()  # ten points of a hundred rows
    moved = compare(codes({"10": 700, "11": 300}), before)
    assert oddities(moved) == [(Oddity.SHARE, "use_code 10"), (Oddity.SHARE, "use_code 11")]
    assert str(moved[1]) == "use_code: 11 is 30.0% of the rows, 20.0% in the period before"


def test_a_category_that_went_or_came_is_told_and_one_of_nine_is_not() -> None:
    assert oddities(compare(codes({"10": 500, "12": 500}), codes({"10": 500, "11": 500}))) == [
        (Oddity.GONE, "use_code 11"),
        (Oddity.NEW, "use_code 12"),
    ]
    # nine of a hundred are not told: twenty before that are no reason to say that they went
    assert compare(codes({"10": 91, "11": 9}), codes({"10": 80, "11": 20})) == ()
    small = codes({"10": 90, "11": 9})
    assert small.columns["use_code"].categories == {"10": 90, SMALL: 9}
    told = [str(each) for each in compare(small, codes({"10": 99}))]
    assert not [line for line in told if "11" in line or " 9 " in line]


def test_row_counts_scales_and_empty_columns_are_told() -> None:
    def profile(rows: int, factor: float, filled: int) -> Profile:
        values = pa.array(np.arange(1, rows + 1) * factor)
        plants = column_profile(HEMP.column("damage_eur"), values, "2016")
        remark = column_profile(HEMP.column("remark"), pa.array(["x"] * filled + [""] * (rows - filled)), "2016")
        columns = {"damage_eur": plants, "remark": remark}
        return Profile(
            supplier="GM9001", schema_name="hemp_clearances", period="2016", rows=rows, quarantined=0, columns=columns
        )

    before = profile(200, 1.0, 150)
    assert compare(profile(290, 1.0, 200), before) == ()
    assert oddities(compare(profile(310, 1.0, 230), before)) == [(Oddity.ROWS, "")]
    assert oddities(compare(profile(200, 100.0, 150), before)) == [(Oddity.SCALE, "damage_eur")]
    assert oddities(compare(profile(200, 1.0, 20), before)) == [(Oddity.FILLED, "remark")]
    # of few rows nothing is told but their number
    assert oddities(compare(profile(40, 100.0, 1), before)) == [(Oddity.ROWS, "")]


def taxed(values: object) -> Profile:
    """A delivery of property tax of which only the values of the homes are known."""
    held = pa.array(values)
    columns = {"woz_value": column_profile(TAX.column("woz_value"), held, "2016")}
    return Profile(
        supplier="GM9001", schema_name="property_tax", period="2016", rows=len(held), quarantined=0, columns=columns
    )


def homes(count: int, seed: int) -> Numbered:
    values: Numbered = np.random.default_rng(seed).lognormal(12.3, 0.4, count).astype(np.int64)
    return values


@pytest.mark.parametrize("count", [200, 5000])
@pytest.mark.parametrize(
    ("share", "becomes", "odd"),
    [
        (0.40, lambda values: values * 100, {Oddity.SPREAD, Oddity.OUTSIDE}),
        (1.00, lambda values: values * 100, {Oddity.SCALE}),
        (1.00, lambda values: values * 19 // 10, {Oddity.SCALE}),
        (0.45, lambda values: values * 0, {Oddity.ZERO}),
        (0.30, lambda values: -values, {Oddity.NEGATIVE}),
        (0.09, lambda values: values * 0 + 9_999_999_999, {Oddity.OUTSIDE}),
        (1.00, lambda values: values * 0 + 250_000, {Oddity.REPEATED}),
    ],
)
def test_a_shift_of_a_part_of_the_numbers_is_told_whichever_part_it_is(
    count: int, share: float, becomes: Callable[[Numbered], Numbered], odd: set[Oddity]
) -> None:
    before, now = homes(count, 1), homes(count, 2)
    largest = np.argsort(-now)[: round(share * count)]
    now[largest] = becomes(now[largest])
    found = compare(taxed(now), taxed(before))
    assert odd <= {each.oddity for each in found}
    told = "\n".join(map(str, found))
    assert not re.search(r"\d{4,}", told), "a number of a record would be that long"


def test_numbers_of_two_ordinary_periods_are_not_told() -> None:
    """Of 400 pairs of periods of many shapes and sizes, the later ones up to 15 % dearer, none is told of."""
    rng = np.random.default_rng(3)
    shapes: tuple[Callable[[int], npt.NDArray[Any]], ...] = (
        lambda count: rng.lognormal(8, 1.3, count),
        lambda count: rng.geometric(0.4, count).astype(float),
        lambda count: np.where(rng.random(count) < 0.3, 0, rng.lognormal(3, 1, count)),
        lambda count: rng.pareto(1.5, count) * 100,
    )
    told: list[Caution] = []
    for shape in shapes:
        for count in rng.choice([60, 200, 1000, 5000], 100):
            before, now = shape(int(count)), shape(int(count * rng.uniform(0.8, 1.3)))
            now *= 1.0 if shape is shapes[1] else rng.uniform(0.9, 1.15)
            told += compare(taxed(now), taxed(before))
    assert told == []


def test_dates_are_compared_by_their_distance_from_the_end_of_the_period() -> None:
    dates = pa.array(["20160101"] * 30 + ["20150101"] * 20 + ["20140101"] * 3)
    found = column_profile(HEMP.column("clearance_date"), dates, "2016")
    assert found.categories == {"0": 30, "1": 20, SMALL: 3}


def register_in(folder: Path, rows: list[Row]) -> Path:
    """A key register that knows the occupants of these rows, and their dwellings."""
    folder.mkdir()
    persons = {
        "bsn": [row["occupant_bsn"] for row in rows],
        "surname": ["Verzonnen"] * len(rows),
        "birth_date": ["19700201"] * len(rows),
    }
    pq.write_table(pa.table(persons), folder / "persons.parquet")
    pq.write_table(pa.table({"bag_id": [row["bag_id"] for row in rows]}), folder / "addresses.parquet")
    return folder


def checked(enclave: Enclave, receipts: list[Receipt], register: Path) -> list[Checked]:
    return list(
        check_deliveries(
            receipts, workspace=enclave.workspace, custody=enclave.custody, schemas=SCHEMAS, key_register=register
        )
    )


@pytest.fixture
def enclave(tmp_path: Path) -> Enclave:
    """An enclave that expects hemp clearances of 2015 and of 2016."""
    plain = Enclave.at(tmp_path)
    changed = plain.project.model_dump(by_alias=True)
    changed["deliveries"] = [
        {"schema": "hemp_clearances", "period": period, "suppliers": "municipalities"} for period in ("2015", "2016")
    ]
    return replace(plain, project=Project.model_validate(changed))


def deliver(enclave: Enclave, rows: list[Row], period: str) -> Receipt:
    file = enclave.file(f"hemp_clearances_{period}.csv", csv_bytes(rows))
    return enclave.receive(enclave.seal(file, "hemp_clearances", len(rows), period=period))


def test_accepted_deliveries_are_held_beside_the_period_before_and_the_register(
    enclave: Enclave, tmp_path: Path
) -> None:
    rows = hemp_rows(120)
    register = register_in(tmp_path / "key_register", rows)
    last_year = [{**row, "clearance_date": row["clearance_date"].replace("2016", "2015")} for row in rows]
    wrong = [{**row, "plants": str(int(row["plants"]) * 100 + 100), "remark": ""} for row in rows]
    wrong[3]["occupant_birth_date"] = "02-01-1970"
    wrong[4]["bag_id"] = "8" + wrong[4]["bag_id"][1:]
    wrong[5]["occupant_name"], wrong[5]["occupant_birth_date"] = "Iemand Anders", "05-06-1981"
    earlier, later = deliver(enclave, last_year, "2015"), deliver(enclave, wrong, "2016")
    first, second = checked(enclave, [earlier, later], register)
    assert (first.beside, first.cautions, first.doubts) == ("", (), ())
    assert second.beside == "2015"
    assert oddities(second.cautions) == [(Oddity.SCALE, "plants"), (Oddity.FILLED, "remark")]
    assert [(each.column, each.doubt, each.count, each.rows) for each in second.doubts] == [
        ("bag_id", Doubt.UNKNOWN_OBJECT, 1, [5]),
        ("occupant_bsn", Doubt.ANOTHER_PERSON, 1, [6]),
        ("occupant_bsn", Doubt.DAY_MONTH, 1, [4]),
    ]
    told = "\n".join(map(str, (*second.cautions, *second.doubts)))
    assert not [value for value in ("Anders", wrong[4]["bag_id"], wrong[3]["occupant_bsn"]) if value in told]


def test_what_nobody_looked_at_is_known_from_the_journal_and_what_was_seen_is_not(
    enclave: Enclave, tmp_path: Path
) -> None:
    rows = hemp_rows(60)
    register = register_in(tmp_path / "key_register", rows)
    last_year = [{**row, "clearance_date": row["clearance_date"].replace("2016", "2015")} for row in rows]
    wrong = [{**row, "occupant_birth_date": "05-06-1981", "plants": "9000"} for row in rows]
    earlier, later = deliver(enclave, last_year, "2015"), deliver(enclave, wrong, "2016")
    names = tuple(receipt.findings.delivery for receipt in (earlier, later))
    assert not_looked_at(enclave.journal.entries(), ()) == names
    assert not_looked_at(enclave.journal.entries(), {names[0]}) == names[1:]
    for receipts, left in (([earlier], names[1:]), ([earlier, later], ())):
        found = checked(enclave, receipts, register)
        details = looked_at(found)
        enclave.journal.append(actor="custodian", action=LOOKED_AT, subject="deliveries", details=details, now=NOW)
        assert not_looked_at(enclave.journal.entries(), ()) == left
    assert details == {names[0]: "", names[1]: "2015"}
    assert found[1].cautions
    assert found[1].doubts


def test_what_the_register_says_reaches_no_receipt_and_no_journal(enclave: Enclave, tmp_path: Path) -> None:
    rows = hemp_rows(60)
    register = register_in(tmp_path / "key_register", rows)
    wrong = [{**row, "occupant_name": "Iemand Anders", "occupant_birth_date": "05-06-1981"} for row in rows]
    receipt = deliver(enclave, wrong, "2016")
    before = enclave.bytes_of_zones(), list(enclave.journal.entries())
    assert [each.count for each in checked(enclave, [receipt], register)[0].doubts] == [60]
    assert (enclave.bytes_of_zones(), list(enclave.journal.entries())) == before
    assert receipt.findings.accepted == 60 and receipt.findings.by_reason == {}


def test_a_number_of_one_typing_error_beside_the_registers_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "key_register"
    folder.mkdir()
    persons = {"bsn": ["135790013"], "surname": ["Brûlé"], "birth_date": ["19700201"]}
    pq.write_table(pa.table(persons), folder / "persons.parquet")
    pq.write_table(pa.table({"bag_id": ["9001010000000001"]}), folder / "addresses.parquet")
    debts = SCHEMAS["debt_assistance"]
    rows = {"bsn": ["135790025", "246813003", ""], "birth_date": ["19700201"] * 3, "surname": ["brule"] * 3}
    found = {
        doubt: np.flatnonzero(mask).tolist()
        for _, doubt, mask in IdentifiedRegister.load(folder).doubts(debts, pa.table(rows))
    }
    assert found[Doubt.MISTYPED] == [0]  # 13579001|3 → 13579002|5: two figures differ; 246813003 is far away
    assert not any(places for doubt, places in found.items() if doubt is not Doubt.MISTYPED)
