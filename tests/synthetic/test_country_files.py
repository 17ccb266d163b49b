"""What is written: the files and columns of the data model, the same bytes for the same seed, replaced whole."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from enclave.errors import BadInput
from synthetic.country import make_country
from synthetic.deliveries import land_registry_table, municipal_tables
from synthetic.delivery_layouts import LAYOUTS
from synthetic.identifiers import NumberSpace
from synthetic.origins import origins
from synthetic.plan import divide, municipality_count
from synthetic.register_blocks import key_persons, register_blocks
from synthetic.registers import REGISTERS, Block
from synthetic.theme_blocks import theme_blocks
from synthetic.theme_registers import THEME_REGISTERS
from synthetic.themes import make_themes
from synthetic.town import Town, make_town

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("dirty", [False, True])
def test_the_same_seed_gives_the_same_bytes_in_another_process_and_place(tmp_path: Path, dirty: bool) -> None:
    one = tmp_path / "one"
    make_country(one, persons=1000, seed=5, dirty=dirty)
    two = tmp_path / "elsewhere" / "two"
    code = (
        "from pathlib import Path; from synthetic.country import make_country; import sys, time; time.sleep(1.1); "
        f"make_country(Path(sys.argv[1]), persons=1000, seed=5, dirty={dirty})"
    )
    subprocess.run([sys.executable, "-c", code, str(two)], check=True, cwd=CHECKOUT, env={"TZ": "Asia/Tokyo"})
    assert _digests(one) == _digests(two)


def test_another_seed_gives_another_country(tmp_path: Path, town_of_a_thousand: Path) -> None:
    make_country(tmp_path / "other", persons=1000, seed=2)
    ours, theirs = _digests(town_of_a_thousand), _digests(tmp_path / "other")
    same = {name for name in ours if ours[name] == theirs[name]}
    # the list of areas and the parameters of the truths don't depend on the seed, nor do files without rows
    empty = {name for name in ours if _without_rows(town_of_a_thousand / name)}
    assert same - empty == {"classifications/region_2016.csv", "truth/themes.json"}


def _without_rows(path: Path) -> bool:
    parquet = path.with_suffix(".parquet")
    return path.suffix in {".parquet", ".sav"} and parquet.exists() and pq.read_metadata(parquet).num_rows == 0


_RENAMED = {"buyer_name", "owner_name", "owner_rsin", "owner_kvk", "owner_postcode", "owner_house_number"}
_CHANGED = {"hemp_clearances": {"bag_id", "postcode", "house_number", "addition"}, "property_tax": _RENAMED}
"""Columns that changed when firms got names of their own, and clerks no number for some homes and firms."""


_ADDED = {"GBAHERKOMSTGROEPERING"}


def _earlier(town: Town) -> dict[str, str]:
    """What the country held before the registers by theme came, but for names of firms and missing numbers."""
    tables = {f"delivery {name}": (table, _CHANGED.get(name, set())) for name, table in municipal_tables(town).items()}
    tables["deeds"] = land_registry_table(town), _RENAMED
    found = {
        name: str({column: values for column, values in table.to_pydict().items() if column not in changed})
        for name, (table, changed) in tables.items()
    }
    found["keys"] = str(key_persons(town)["bsn"].tolist())
    return found | _hex(register_blocks(town, 2))


def _hex(blocks: Iterator[tuple[str, Block]]) -> dict[str, str]:
    return {
        name: "".join(np.asarray(values).tobytes().hex() for column, values in block.items() if column not in _ADDED)
        for name, block in blocks
    }


def _content(town: Town) -> dict[str, str]:
    return _earlier(town) | _hex(theme_blocks(town, make_themes(town, 2))) | {"origins": str(origins(town).tolist())}


def _towns(seed: int, order: int = 1) -> list[Town]:
    plan = divide(1000)
    space = NumberSpace(seed=seed, persons=1000, others=sum(place.unregistered + place.entities for place in plan))
    return [make_town(seed, place, space) for place in plan[::order]]


def test_a_municipality_is_the_same_whichever_others_are_drawn_before_it() -> None:
    forwards = [_content(town) for town in _towns(1)]
    backwards = [_content(town) for town in _towns(1, order=-1)]
    assert forwards == backwards[::-1]


def test_new_tables_take_new_streams_so_that_earlier_ones_keep_every_byte() -> None:
    digest = hashlib.sha256()
    for town in _towns(7):
        # drawn before the earlier tables are written: nothing here may move them
        make_themes(town, 2)
        for name, text in sorted(_earlier(town).items()):
            digest.update(f"{name}\n{text}\n".encode())
    # from the commit before firms had names of their own (cf56267), same code
    assert digest.hexdigest() == "acacc50ae835bfb85e6aa29340744e19e3005ab86e067049ae2eb5721523a0c7"


def test_registers_have_the_columns_and_rows_of_the_data_model(country: Path) -> None:
    persons = pq.read_table(country / "registers/Bevolking/GBAPERSOONTAB/GBAPERSOON2016TABV1.parquet")
    assert persons.num_rows == 50_000
    found = {path.relative_to(country / "registers").with_suffix("").as_posix() for path in country.rglob("*TAB*V1.*")}
    layouts = {**REGISTERS, **THEME_REGISTERS}
    assert found <= set(layouts)
    for name, columns in layouts.items():
        schema = pq.read_schema(country / "registers" / f"{name}.parquet")
        assert schema.names == [column.name for column in columns]
        assert {str(schema.field(column.name).type) for column in columns if column.width} == {"string"}


def test_text_columns_hold_no_null(town_of_a_thousand: Path) -> None:
    for path in town_of_a_thousand.rglob("*.parquet"):
        table = pq.read_table(path)
        assert all(column.null_count == 0 for column in table.columns), path.name


def test_manifests_tell_the_truth_about_digest_and_rows(country: Path) -> None:
    manifests = sorted(country.glob("deliveries/*/*.manifest.yaml"))
    # five municipalities with three files each, and the land registry
    assert len(manifests) == 5 * 3 + 1
    for path in manifests:
        manifest = yaml.safe_load(path.read_text())
        (listed,) = manifest["files"]
        data = path.parent / listed["name"]
        assert hashlib.sha256(data.read_bytes()).hexdigest() == listed["sha256"]
        assert "SYNTHETIC" in manifest["contact"]
        assert manifest["period"] == LAYOUTS[manifest["schema"]].period
        if data.suffix == ".csv":
            frame = pd.read_csv(data, sep=";", encoding="cp1252", dtype=str, keep_default_na=False)
        elif data.suffix == ".xlsx":
            frame = pd.read_excel(data, dtype={"bsn": str})
        else:
            frame = pd.read_spss(data)
        assert len(frame) == listed["rows"]
        assert list(frame.columns) == LAYOUTS[manifest["schema"]].schema.names


def test_the_country_document_lists_every_other_file_with_its_digest(town_of_a_thousand: Path) -> None:
    document = json.loads((town_of_a_thousand / "country.json").read_text())
    found = _digests(town_of_a_thousand)
    del found["country.json"]
    assert document["sha256"] == found
    assert document["watermark"].startswith("SYNTHETIC")


def test_every_area_of_a_register_is_in_the_classification(country: Path) -> None:
    regions = pd.read_csv(country / "classifications/region_2016.csv", dtype=str, keep_default_na=False)
    areas = pd.read_parquet(country / "registers/BouwenWonen/VSLGWBTAB/VSLGWB2016TAB03V1.parquet")
    assert set("BU" + areas.bc2016) <= set(regions.code[regions.level == "BU"])
    parents = dict(zip(regions.code, regions.parent, strict=True))
    assert all(parents[f"BU{b}"] == f"WK{w}" for b, w in zip(areas.bc2016, areas.wc2016, strict=True))
    assert all(parents[f"WK{w}"] == f"GM{g}" for w, g in zip(areas.wc2016, areas.gem2016, strict=True))
    assert areas.bc2016.str.contains("[A-Z]").any()
    assert regions.code.is_unique


def test_areas_do_not_shrink_with_the_country() -> None:
    # the sizes of issue 2: 1,000 persons in 2 municipalities, 50,000 in 5, 1,000,000 in 40
    assert [municipality_count(persons) for persons in (1_000, 50_000, 1_000_000)] == [2, 5, 40]
    for persons in (50_000, 1_000_000, 17_900_000):
        plan = divide(persons)
        assert sum(place.persons for place in plan) == persons
        assert all(1000 <= place.persons / place.buurten <= 2000 for place in plan)
        assert all(2.5 <= place.buurten / place.wijken <= 6 for place in plan)
        assert max(place.persons for place in plan) < 2**20


def test_an_earlier_country_is_replaced_whole(tmp_path: Path) -> None:
    out = tmp_path / "country"
    make_country(out, persons=300, seed=1)
    (out / "left over").write_text("from before")
    make_country(out, persons=300, seed=2)
    assert not (out / "left over").exists()
    assert json.loads((out / "country.json").read_text())["seed"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["country"]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(BadInput, match="not a synthetic country"):
        make_country(tmp_path, persons=300, seed=1)
    assert (tmp_path / "thesis.txt").read_text() == "three years of work"


def test_a_failure_halfway_leaves_the_earlier_country_intact(tmp_path: Path) -> None:
    out = tmp_path / "country"
    make_country(out, persons=300, seed=1)
    before = _digests(out)

    def stop(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_country(out, persons=300, seed=2, progress=stop)
    assert _digests(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["country"]


def test_a_killed_run_loses_nothing_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    out = tmp_path / "country"
    make_country(out, persons=300, seed=1)
    before = _digests(out)
    code = (
        "import os, signal, sys; from pathlib import Path; from synthetic.country import make_country; "
        "make_country(Path(sys.argv[1]), persons=300, seed=2, "
        "progress=lambda what, done, total: os.kill(os.getpid(), signal.SIGKILL))"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(out)], check=False, cwd=CHECKOUT)
    assert killed.returncode == -9
    assert _digests(out) == before
    assert len(list(tmp_path.iterdir())) == 2
    make_country(out, persons=300, seed=1)
    assert _digests(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["country"]


@pytest.mark.parametrize("persons", [0, 199, 20_000_001])
def test_an_impossible_size_is_refused_with_the_possible_range(tmp_path: Path, persons: int) -> None:
    with pytest.raises(BadInput, match="200 to 20,000,000"):
        make_country(tmp_path / "country", persons=persons, seed=1)
    assert not (tmp_path / "country").exists()


def test_progress_counts_the_municipalities(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    make_country(tmp_path / "c", persons=300, seed=1, progress=lambda what, done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
