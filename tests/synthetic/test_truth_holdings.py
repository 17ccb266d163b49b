"""Holdings of the synthetic country, and its bait linked and put through the gate."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from enclave.frames import open_frame
from enclave.project import DataSet, Key, Question, load_project
from enclave.requests import DimensionRequest, Population, TableRequest
from enclave.zones import Derived, Linked
from synthetic.establishments import BRANCHES
from synthetic.theme_registers import ESTABLISHMENT_TAB, HOLDING_BUS
from tests.linkage.conftest import CHECKOUT, Site
from tests.output_control.gate_world import World, tree_of, write_frame
from tests.output_control.statistic_rows import rows_of

FIRM = Key(name="firm", kind="entity", source=("BEID",))
HOLDING = Key.model_validate({
    "name": "holding", "kind": "holding", "derived": {
        "entity": "firm", "register": HOLDING_BUS, "unit": ("OGID",), "spell": ("AANVBEOG", "EINDBEOG"),
        "reference_date": date(2016, 1, 1),
    },
})  # fmt: skip


def register(country: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(country / "registers" / f"{name}.parquet")


def test_every_firm_has_one_holding_at_a_time_and_most_are_alone_in_theirs(country: Path) -> None:
    spells = register(country, HOLDING_BUS).sort_values(["BEID", "AANVBEOG"])
    firms = register(country, "Bedrijven/BETAB/BE2016TABV1")
    last = spells[spells.EINDBEOG == "88888888"]
    assert sorted(last.BEID) == sorted(firms.BEID)
    # each earlier spell ends on the day before the next one begins, and lay in another holding
    before = spells.groupby("BEID").shift(-1)
    moved = before.AANVBEOG.notna()
    ends = pd.to_datetime(spells.EINDBEOG[moved])
    assert (ends + pd.Timedelta(days=1) == pd.to_datetime(before.AANVBEOG[moved])).all()
    assert (spells.OGID[moved] != before.OGID[moved]).all()
    assert (spells.AANVBEOG < "20160101").all()
    sizes = last.groupby("OGID").size()
    assert 0.04 < (last.OGID.map(sizes.to_dict()) > 1).mean() < 0.15
    # some were in another holding that still stands before: taken over
    assert spells.OGID[moved].isin(sizes.index).any()


@pytest.fixture(scope="module")
def rows(country: Path) -> pd.DataFrame:
    """Establishments with the holding of their firm on the reference date."""
    spells = register(country, HOLDING_BUS)
    now = spells[(spells.AANVBEOG <= "20160101") & (spells.EINDBEOG >= "20160101")]
    found = register(country, ESTABLISHMENT_TAB)
    return found.assign(OGID=found.BEID.map(now.set_index("BEID").OGID.to_dict()), buurt="BU" + found.bc2016)


def test_baited_cells_of_holdings_are_as_unsafe_as_they_say(country: Path, rows: pd.DataFrame) -> None:
    listed = pd.read_parquet(country / "truth/holding_bait.parquet")
    assert listed.kind.value_counts().to_dict() == dict.fromkeys(
        ("one_holding", "dominant_holding", "many_holdings"), 5
    )
    for cell in listed.itertuples():
        found = rows[(rows.buurt == cell.buurt) & (cell.SBI == rows.SBI)]
        firms, holdings = (found.groupby(name).WERKZAMEPERSONEN.sum() for name in ("BEID", "OGID"))
        largest = (firms.max() / firms.sum(), holdings.max() / holdings.sum())
        assert len(firms) >= 12
        facts = {
            "one_holding": len(holdings) == 1,
            "dominant_holding": len(holdings) >= 10 and largest[0] <= 0.4 and largest[1] > 0.6,
            "many_holdings": len(holdings) >= 12,
        }
        assert facts[str(cell.kind)], cell.kind


@pytest.fixture(scope="module")
def world(country: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The establishments of the first municipality's baited *buurten*, linked with the holdings of their firms."""
    folder = tmp_path_factory.mktemp("holdings")
    project = load_project(CHECKOUT / "configs" / "projects" / "ondermijning.yaml")
    data = {"establishments": DataSet(register=ESTABLISHMENT_TAB, keys=(FIRM, HOLDING))}
    asked = Question(text="?", uses={"establishments": ("SBI", "bc2016", "WERKZAMEPERSONEN")})
    project = project.model_copy(update={"data": data, "questions": {"B1": asked}, "analyses": ()})
    linked = Site(country, folder, project, {}).run().frames["establishments"]
    buurten = tuple(sorted({area for area, _ in bait(country).values()}))
    made = World(
        folder, classifications={"region": tree_of("region", {"NL": ("NL",), "BU": buurten}), "branch": BRANCH}
    )
    (folder / "frames").mkdir()
    kept = folder / "frames" / "establishments.parquet"
    shutil.copy(linked.path, kept)
    made.linked["establishments"] = open_frame(kept, Linked)
    table = pq.read_table(kept)
    area = pc.binary_join_element_wise("BU", table["bc2016"], "")
    table = table.append_column("area", area).filter(pc.is_in(area, pa.array(buurten)))
    derived = {
        "place": pa.array(range(table.num_rows), pa.int64()),
        "firm": table["firm"],
        "holding": table["holding"],
        "region": table["area"],
        "branch": table["SBI"],
        "workers": table["WERKZAMEPERSONEN"],
    }
    made.derived["places"] = write_frame(folder / "frames" / "places.parquet", Derived, pa.table(derived))
    return made


BRANCH = tree_of("branch", {"total": ("all",), "branch": BRANCHES})


def bait(country: Path) -> dict[str, tuple[str, str]]:
    """Area and branch by kind of bait, of the first municipality."""
    rows = pd.read_parquet(country / "truth/holding_bait.parquet")[:3]
    return {str(kind): (str(area), str(code)) for kind, area, code in zip(rows.kind, rows.buurt, rows.SBI, strict=True)}


def cells(world: World, **fields: Any) -> dict[tuple[str, str], dict[str, str]]:
    """The checkers' evidence per cell of a table of establishments, and what left of each (``out``)."""
    request = TableRequest.model_validate(
        {
            "name": "places",
            "title": "Establishments by area and branch",
            "derivation": "places",
            "population": Population(dataset="establishments", key="firm"),
            "record": "place",
            "unit": "firm",
            "dimensions": tuple(DimensionRequest(column=name, classification=name) for name in ("region", "branch")),
            **fields,
        }
    )
    out = world.check(request)
    evidence = {
        (row["region"], row["branch"]): row for row in rows_of(out.checker_annex["annex/demo/places.cells.csv"])
    }
    for row in rows_of(out.outputs["outputs/demo/places.csv"]):
        evidence.setdefault((row["region"], row["branch"]), {})["out"] = row["value"]
    return evidence


def test_a_cell_whose_firms_are_all_of_one_holding_is_hidden(country: Path, world: World) -> None:
    """By firms alone the cell passes: the holding is what sees that it tells one unit's number of establishments."""
    one, many = (bait(country)[kind] for kind in ("one_holding", "many_holdings"))
    firms, both, holdings = cells(world), cells(world, also_units=("holding",)), cells(world, unit="holding")
    assert int(firms[one]["units"]) >= 12
    assert firms[one]["status"] != "primary"
    for told, of_holding in ((both[one], both[one]["units_holding"]), (holdings[one], holdings[one]["units"])):
        assert (told["status"], told["out"], of_holding) == ("primary", "", "1")
        assert "freq" in told["reason"].split("+")
    for told in (firms, both, holdings):
        assert told[many]["status"] != "primary"
    assert int(both[many]["units_holding"]) >= 12


def test_a_holding_that_dominates_a_cell_through_small_firms_hides_it(country: Path, world: World) -> None:
    place = bait(country)["dominant_holding"]
    by_firm, by_holding = (
        cells(world, statistic="sum", measure="workers", also_units=also) for also in ((), ("holding",))
    )
    assert by_firm[place]["status"] != "primary"
    assert by_holding[place]["status"] == "primary"
    assert "nk" in by_holding[place]["reason"].split("+")
    assert by_holding[place]["out"] == ""
