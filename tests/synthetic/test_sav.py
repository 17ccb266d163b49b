"""`.sav` files read by pyreadstat hold what the Parquet beside them holds, with labels and leading zeros."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic.registers import REGISTERS
from synthetic.sav_stream import Column, SavStream
from synthetic.theme_registers import THEME_REGISTERS

LAYOUTS = {**REGISTERS, **THEME_REGISTERS}


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_a_register_reads_the_same_from_sav_and_parquet(town_of_a_thousand: Path, name: str) -> None:
    stem = town_of_a_thousand / "registers" / name
    sav, meta = pyreadstat.read_sav(f"{stem}.sav")
    parquet = pd.read_parquet(f"{stem}.parquet")
    assert list(sav.columns) == list(parquet.columns)
    for column in LAYOUTS[name]:
        if column.width:
            assert sav[column.name].astype(str).tolist() == parquet[column.name].tolist()
        else:
            assert sav[column.name].astype(np.int64).tolist() == parquet[column.name].tolist()
        assert meta.variable_value_labels.get(column.name, {}) == dict(column.labels)
    assert meta.file_label.startswith("SYNTHETIC")


def test_leading_zeros_survive(town_of_a_thousand: Path) -> None:
    sav, _ = pyreadstat.read_sav(town_of_a_thousand / "registers/Bevolking/GBAPERSOONTAB/GBAPERSOON2016TABV1.sav")
    assert (sav.RINPERSOON.str.len() == 9).all()
    # RIN numbers are spread evenly below 900 million: a ninth have a leading zero
    assert 0.05 < sav.RINPERSOON.str.startswith("0").mean() < 0.18


_texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cs"]), max_size=9)


@given(
    rows=st.lists(st.tuples(_texts, st.floats(-1e300, 1e300)), min_size=1, max_size=9),
    cut=st.integers(0, 9),
)
def test_what_is_appended_in_blocks_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, float]], cut: int
) -> None:
    path = tmp_path_factory.mktemp("sav") / "x.sav"
    with SavStream(path, (Column("TekstKolom", 36), Column("Getal", 0, {"1": "één"}))) as stream:
        for block in (rows[:cut], rows[cut:]):
            texts = np.array([text.encode() for text, _ in block], dtype="S36")
            stream.append({"TekstKolom": texts, "Getal": np.array([number for _, number in block], dtype=float)})
    read, meta = pyreadstat.read_sav(path)
    # SPSS pads text with blanks, so those at the end can't be told from padding
    assert read.TekstKolom.tolist() == [text.rstrip(" ") for text, _ in rows]
    assert read.Getal.tolist() == [number for _, number in rows]
    assert meta.variable_value_labels == {"Getal": {1.0: "één"}}


def test_a_delivered_sav_has_labels_numbers_and_a_fixed_date(town_of_a_thousand: Path) -> None:
    path = town_of_a_thousand / "deliveries/GM9001/property_tax_2016.sav"
    frame, meta = pyreadstat.read_sav(path)
    assert meta.variable_value_labels["owner_kind"] == {1.0: "natuurlijk persoon", 2.0: "rechtspersoon"}
    assert set(frame.use_code) <= {10, 11, 12}
    assert frame.woz_value.between(10_000, 5_000_000).all()
    numbers = frame.owner_kvk[frame.owner_kind == 2]
    assert numbers[numbers != ""].str.fullmatch(r"09\d{6}").all()
    assert 0 < (numbers == "").mean() < 0.1, "of some firms the municipality knows no number"
    assert meta.creation_time.isoformat() == "2016-01-01T00:00:00"


def test_text_wider_than_the_format_allows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="255"):
        SavStream(tmp_path / "x.sav", (Column("te_breed", 256),))
