"""Defects are planted at their rates, and the ledger tells exactly what differs from the clean country."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
import pytest
import yaml

from synthetic.defects import DUPLICATE_RATE, NEAR_DUPLICATE_RATE, SEMANTIC
from synthetic.file_defects import UNACCEPTABLE
from synthetic.identifiers import eleven_test
from synthetic.plan import divide
from synthetic.value_defects import FIRST_KINDS

ADDED = ("duplicate", "near_duplicate")


def _records(path: Path, *, skip: int = 0) -> pd.DataFrame:
    """Every record as text."""
    if path.suffix == ".csv":
        with path.open("rb") as handle:
            encoding = "utf-8-sig" if handle.read(3) == b"\xef\xbb\xbf" else "cp1252"
        return pd.read_csv(path, sep=";", encoding=encoding, dtype=str, keep_default_na=False)
    if path.suffix == ".xlsx":
        return pd.read_excel(path, dtype=str, skiprows=skip, keep_default_na=False)
    return pyreadstat.read_sav(path, user_missing=True)[0].astype(str)


@pytest.fixture(scope="module")
def ledger(dirty_country: Path) -> pd.DataFrame:
    """The ledger of the 50,000-person country."""
    return pd.read_parquet(dirty_country / "truth/defects.parquet")


@pytest.fixture(scope="module")
def pairs(country: Path, dirty_country: Path, ledger: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """File → (clean records, dirty records)."""
    merged = set(ledger.file[ledger.kind == "merged_header"])
    found = {}
    for path in sorted(country.glob("deliveries/*/*_*.*")):
        if path.suffix == ".yaml":
            continue
        name = path.relative_to(country / "deliveries").as_posix()
        dirty = _records(dirty_country / "deliveries" / name, skip=2 if name in merged else 0)
        found[name] = (_records(path), dirty)
    return found


def test_the_ledger_has_the_columns_of_the_data_model(ledger: pd.DataFrame) -> None:
    assert list(ledger.columns) == ["file", "row", "column", "kind", "class"]
    assert set(ledger["class"]) == {"syntactic", "semantic"}
    assert ((ledger["class"] == "semantic") == ledger.kind.isin(SEMANTIC)).all()


def test_every_record_defect_is_in_the_ledger_and_nothing_else_differs(
    ledger: pd.DataFrame, pairs: dict[str, tuple[pd.DataFrame, pd.DataFrame]]
) -> None:
    # in these files whole columns are written another way; their other columns are still compared
    rewritten = {
        "thousand_dots": ["damage_eur"],
        "day_month_short": ["clearance_date", "occupant_birth_date"],
        "numbers_as_text": ["debt_eur", "creditors"],
        "bsn_as_number": ["bsn"],
        "extra_column": [],
        "absent_column": [],
    }
    for name, (clean, dirty) in pairs.items():
        noted = ledger[ledger.file == name]
        whole = [column for kind in noted.kind[noted.row.isna()] for column in rewritten.get(kind, [])]
        columns = [column for column in clean.columns if column in dirty.columns and column not in whole]
        added = noted[noted.kind.isin(ADDED)].row.astype(int)
        after = dirty[columns].drop(index=added - 1)
        assert len(after) == len(clean), name
        unequal = np.argwhere(clean[columns].to_numpy() != after.to_numpy())
        differs = {(after.index[row] + 1, columns[column]) for row, column in unequal}
        cells = noted[noted.row.notna() & ~noted.kind.isin(ADDED) & ~noted.column.isin(whole)]
        assert differs == set(zip(cells.row.astype(int), cells.column, strict=True)), name


def test_duplicates_repeat_a_record_and_near_duplicates_a_record_but_its_name(
    ledger: pd.DataFrame, pairs: dict[str, tuple[pd.DataFrame, pd.DataFrame]]
) -> None:
    name = "kadaster/land_registry_1996-2015.csv"
    clean, dirty = pairs[name]
    noted = ledger[ledger.file == name]
    chunks = dirty.iloc[noted[noted.kind == "duplicate"].row.astype(int) - 1]
    originals = set(map(tuple, clean.to_numpy()))
    assert all(tuple(row) in originals for row in chunks.to_numpy())
    near = dirty.iloc[noted[noted.kind == "near_duplicate"].row.astype(int) - 1]
    rest = clean.drop(columns="buyer_name")
    without_name = set(map(tuple, rest.to_numpy()))
    assert all(tuple(row) in without_name for row in near.drop(columns="buyer_name").to_numpy())
    assert not any(tuple(row) in originals for row in near.to_numpy())


def test_rates_are_those_of_the_domain_document(
    ledger: pd.DataFrame, pairs: dict[str, tuple[pd.DataFrame, pd.DataFrame]]
) -> None:
    where = {
        "bsn_typo": "hemp debt property land",
        "bsn_eleven_test": "hemp debt property land",
        "bsn_missing": "debt property land",
        "day_month_swapped": "hemp debt land",
        "postcode_variant": "hemp debt property",
        "diacritics_broken": "hemp debt property land",
        "municipality_outdated": "hemp property land",
        "leading_zero_lost": "property land",
        "duplicate": "hemp debt property land",
        "near_duplicate": "hemp debt property land",
    }
    planted = {kind: defect.rate for kind, defect in FIRST_KINDS.items()}
    rates = {**planted, "duplicate": DUPLICATE_RATE, "near_duplicate": NEAR_DUPLICATE_RATE}
    expected = {"bsn_typo": 0.005, "bsn_eleven_test": 0.003, "bsn_missing": 0.02, "duplicate": 0.01,
                "near_duplicate": 0.005, "day_month_swapped": 0.003, "postcode_variant": 0.03,
                "diacritics_broken": 0.005, "municipality_outdated": 0.01}  # fmt: skip
    assert {kind: rates[kind] for kind in expected} == expected
    for kind, schemas in where.items():
        files = [name for name in pairs if name.split("/")[1].startswith(tuple(schemas.split()))]
        records = sum(len(pairs[name][0]) for name in files)
        noted = ledger[(ledger.kind == kind) & ledger.file.isin(files)]
        noted = noted[~noted.file.isin(ledger.file[ledger.kind == "bsn_as_number"])]
        found, rate = len(noted) / records, rates[kind]
        # a record with an earlier defect gets no second one: up to 8 % fewer
        assert 0.88 * rate - 4 * np.sqrt(rate / records) < found < rate + 4 * np.sqrt(rate / records), kind


def test_typos_pass_the_eleven_test_and_the_others_fail_it(
    ledger: pd.DataFrame, pairs: dict[str, tuple[pd.DataFrame, pd.DataFrame]]
) -> None:
    name = "kadaster/land_registry_1996-2015.csv"
    clean, dirty = pairs[name]
    added = ledger[(ledger.file == name) & ledger.kind.isin(ADDED)].row.astype(int) - 1
    untouched = pd.Series(clean.buyer_bsn.to_numpy(), index=dirty.index.drop(added))
    for kind, passes in (("bsn_typo", True), ("bsn_eleven_test", False)):
        rows = ledger[(ledger.file == name) & (ledger.kind == kind)].row.astype(int) - 1
        values = dirty.buyer_bsn.iloc[rows]
        assert (eleven_test(values.astype(int).to_numpy()) == passes).all()
        assert not values.eq(untouched.reindex(values.index)).any()
        assert (values.str.len() == 9).all()


def test_most_files_have_no_defect_of_the_whole_file(
    ledger: pd.DataFrame, pairs: dict[str, tuple[pd.DataFrame, pd.DataFrame]]
) -> None:
    whole = set(ledger.file[ledger.row.isna()])
    assert len(pairs) == 16
    # every kind of the list in domain.md is there, in files by name
    kinds = set(ledger.kind)
    assert {
        "absent_column", "extra_column", "wrong_period", "bom_utf8", "thousand_dots", "day_month_short",
        "quoted_newline", "merged_header", "numbers_as_text", "leading_zero_lost", "user_missing",
    } <= kinds  # fmt: skip
    unacceptable = set(ledger.file[ledger.kind.isin(UNACCEPTABLE)])
    assert len(unacceptable) == 4
    assert len(pairs) - len(whole) >= 8


def test_file_defects_are_what_they_say(dirty_country: Path, ledger: pd.DataFrame) -> None:
    deliveries = dirty_country / "deliveries"

    def only(kind: str) -> Path:
        (name,) = set(ledger.file[ledger.kind == kind])
        return deliveries / str(name)

    assert only("bom_utf8").read_bytes().startswith(b"\xef\xbb\xbf")
    assert b'"Zie bijlage' not in only("quoted_newline").read_bytes()
    assert b'\r\nZie bijlage; ""kopie""' in only("quoted_newline").read_bytes()
    period = yaml.safe_load(only("wrong_period").with_name("debt_assistance_2016.manifest.yaml").read_text())
    assert period["period"] != "2016"
    sheet = openpyxl.load_workbook(only("merged_header")).active
    assert sheet is not None and [str(area) for area in sheet.merged_cells.ranges] == ["A1:M1"]
    as_text = openpyxl.load_workbook(only("numbers_as_text")).active
    assert as_text is not None and isinstance(as_text["L2"].value, str)
    as_number = openpyxl.load_workbook(only("bsn_as_number")).active
    assert as_number is not None and isinstance(as_number["A2"].value, int)
    _, meta = pyreadstat.read_sav(only("user_missing"), user_missing=True)
    assert meta.missing_ranges == {"woz_value": [{"lo": 999_999_999.0, "hi": 999_999_999.0}]}
    assert "telefoonnummer" in pyreadstat.read_sav(only("extra_column"), metadataonly=True)[1].column_names
    assert "bag_id" not in _records(only("absent_column")).columns


def test_manifests_of_dirty_files_still_tell_the_truth(dirty_country: Path) -> None:
    for path in dirty_country.glob("deliveries/*/hemp*.manifest.yaml"):
        (listed,) = yaml.safe_load(path.read_text())["files"]
        assert len(_records(path.parent / listed["name"])) == listed["rows"]


def test_registers_and_truths_are_those_of_the_clean_country(country: Path, dirty_country: Path) -> None:
    for name in ("truth/v3_dwellings.parquet", "truth/hemp.json", "key_register/persons.parquet"):
        assert (country / name).read_bytes() == (dirty_country / name).read_bytes()


@pytest.mark.parametrize("persons", [300, 1000])
def test_a_small_country_has_every_file_defect_too(tmp_path: Path, persons: int) -> None:
    from synthetic.country import make_country

    make_country(tmp_path / "c", persons=persons, seed=3, dirty=True)
    ledger = pd.read_parquet(tmp_path / "c/truth/defects.parquet")
    assert len(divide(persons)) == 2
    whole = {"absent_column", "extra_column", "wrong_period", "bom_utf8", "merged_header", "numbers_as_text"}
    assert whole <= set(ledger.kind)
