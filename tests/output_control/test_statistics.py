"""Means, rates and percentiles through the gate, against arithmetic on the records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import Rate, TableRequest, parse_requests
from output_control import table_check
from output_control.statistics import rates
from output_control.statistics.percentiles import percentiles
from output_control.tables.evidence import faults_of_table, shown_dimensions, tabulate
from tests.output_control.gate_world import CLASSIFICATIONS, World, policy_in, random_homes, table_request
from tests.output_control.statistic_rows import (
    ANNEX,
    CELLS,
    LARGE,
    RATE,
    SAFE,
    SMALL,
    flagged,
    rate_request,
    released,
    rows_of,
)

# rates ---------------------------------------------------------------------------------------------------------------


def test_a_rate_is_numerator_by_denominator_with_its_wilson_interval(tmp_path: Path) -> None:
    row = released(World(tmp_path).add("homes", flagged(*LARGE, *SAFE)), rate_request())["G1a1",]
    assert (row["numerator"], row["denominator"], row["rate"]) == ("60", "300", "0.2")
    z2, p, n = 1.959964**2, 0.2, 300
    middle, half = (p + z2 / (2 * n)) / (1 + z2 / n), np.sqrt(z2 * (p * 0.8 / n + z2 / (4 * n * n))) / (1 + z2 / n)
    assert float(row["ci95_low"]) == pytest.approx(middle - half, rel=5e-3)
    assert float(row["ci95_high"]) == pytest.approx(middle + half, rel=5e-3)
    assert row["OBS_STATUS"] == "A"


def test_every_figure_of_a_hidden_count_is_hidden_with_it(tmp_path: Path) -> None:
    rows = released(World(tmp_path).add("homes", flagged(*LARGE, *SMALL, *SAFE)), rate_request())
    row = rows["G1a2",]
    assert [row[name] for name in ("numerator", "rate", "ci95_low", "ci95_high", "shrunken")] == [""] * 5
    assert (row["OBS_STATUS"], row["CONF_STATUS"]) == ("Q", "C")
    for each in rows.values():
        if each["OBS_STATUS"] == "A":
            assert each["numerator"] and each["denominator"]


def test_a_rate_that_would_be_shown_for_a_hidden_count_is_refused_by_the_inversion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """7 of 60 is hidden; its rate 0.117 with the 60 gives 7 back: 0.1165·60 = 6.99 to 0.1175·60 = 7.05."""
    careless = rates.rate_table

    def shows_all(evidence: object, suppressed: np.ndarray, rules: object) -> object:
        return careless(evidence, np.zeros_like(suppressed), rules)

    monkeypatch.setattr(table_check, "rate_table", shows_all)
    with pytest.raises(Refused, match="would give a hidden count back"):
        World(tmp_path).add("homes", flagged(*LARGE, *SMALL, *SAFE)).check(rate_request())


def test_a_complement_below_the_minimum_hides_the_numerator(tmp_path: Path) -> None:
    # of 100 in G1a2 96 are k1; the 4 others are 2 k2 and 2 k3: their sum is no cell of the table
    data = flagged(*LARGE, *SAFE, (96, "G1a2", "k1"), (2, "G1a2", "k2"), (2, "G1a2", "k3"))
    out = World(tmp_path).add("homes", data).check(rate_request())
    annex = {(r["region"], r["kind"]): r for r in rows_of(out.checker_annex[ANNEX])}
    assert annex["G1a2", "k1"]["status"] == "primary"
    assert annex["G1a2", "k1"]["reason"] == "complement"
    row = {r["region"]: r for r in rows_of(out.outputs[CELLS])}["G1a2"]
    assert row["rate"] == row["numerator"] == ""


def test_a_percentage_of_too_few_units_is_hidden_though_its_counts_are_not(tmp_path: Path) -> None:
    world = World(tmp_path, policy_overrides={"percentage_units": 250}).add("homes", flagged(*LARGE, *SAFE))
    row = released(world, rate_request())["G2a1",]
    assert (row["numerator"], row["denominator"], row["rate"]) == ("50", "200", "")


def test_observed_by_expected_is_the_indirect_standardisation(tmp_path: Path) -> None:
    data = random_homes(8, 4000)
    data = data.drop_columns(["flag"]).append_column("flag", pa.array(["yes" if i % 3 else "no" for i in range(4000)]))
    request = table_request(
        "region",
        "kind",
        "flag",
        statistic="rate",
        rate=Rate(column="kind", category="k1", figures=("ratio",), standardise=("flag",)),
        levels={"region": ("GM",)},
    )
    flag = CLASSIFICATIONS["flag"].model_copy(update={"sensitive": False, "neutral": ()})
    world = World(tmp_path, classifications={**CLASSIFICATIONS, "flag": flag}).add("homes", data)
    rows = released(world, request)
    homes = data.to_pandas()
    reference = homes.groupby("flag")["kind"].apply(lambda kinds: (kinds == "k1").mean())
    for region in ("G1", "G2"):
        inside = homes[homes["region"].str.startswith(region)]
        expected = sum(reference[flag] * count for flag, count in inside["flag"].value_counts().items())
        observed = (inside["kind"] == "k1").sum()
        assert float(rows[region,]["ratio"]) == pytest.approx(observed / expected, rel=5e-3)
    assert rows["NL",]["ratio"] == "1"


def test_a_ratio_is_hidden_when_a_stratum_of_its_expected_number_is(tmp_path: Path) -> None:
    # the 60 homes of G2 are 55 yes and 5 no: a small stratum, so neither its count nor the ratio that takes it leaves
    rng = np.random.default_rng(3)
    n = 1060
    data = pa.table(
        {
            "home": pa.array(range(n), pa.int64()),
            "owner": pa.array(range(n), pa.int64()),
            "region": ["G1a1"] * 1000 + ["G2a1"] * 60,
            "kind": rng.choice(["k1", "k2"], n).tolist(),
            "flag": rng.choice(["yes", "no"], 1000).tolist() + ["yes"] * 55 + ["no"] * 5,
        }
    )
    flag = CLASSIFICATIONS["flag"].model_copy(update={"sensitive": False, "neutral": ()})
    world = World(tmp_path, classifications={**CLASSIFICATIONS, "flag": flag}).add("homes", data)
    rate = Rate(column="kind", category="k1", figures=("ratio",), standardise=("flag",))
    rows = released(
        world, table_request("region", "kind", "flag", statistic="rate", rate=rate, levels={"region": ("GM",)})
    )
    assert rows["G2",]["ratio"] == ""
    assert rows["NL",]["denominator"] == "1060"


# means and sums ------------------------------------------------------------------------------------------------------


def test_a_mean_comes_with_its_counts_and_both_are_hidden_together(tmp_path: Path) -> None:
    data = flagged(*LARGE, *SMALL, *SAFE)
    rows = released(
        World(tmp_path).add("homes", data), table_request("region", "kind", statistic="mean", measure="worth")
    )
    homes = data.to_pandas()
    here = homes[(homes["region"] == "G1a1") & (homes["kind"] == "k2")]["worth"]
    assert (rows["G1a1", "k2"]["records"] == "") == (rows["G1a1", "k2"]["value"] == "")
    shown = [row for row in rows.values() if row["OBS_STATUS"] == "A" and row["records"] != "0"]
    assert len(shown) > 10
    for row in shown:
        inside = homes[homes["region"].str.startswith(row["region"].replace("NL", ""))]
        inside = inside if row["kind"] == "all" else inside[inside["kind"] == row["kind"]]
        assert int(row["records"]) == len(inside)
        assert float(row["value"]) == float(f"{inside['worth'].mean():.2e}")
    assert rows["G1a2", "k1"]["records"] == rows["G1a2", "k1"]["value"] == ""
    assert len(here) == 140


def test_a_sum_comes_with_its_counts_under_one_pattern(tmp_path: Path) -> None:
    data = flagged(*LARGE, *SMALL, *SAFE)
    rows = released(
        World(tmp_path).add("homes", data), table_request("region", "kind", statistic="sum", measure="worth")
    )
    assert all((row["records"] == "") == (row["value"] == "") == (row["OBS_STATUS"] == "Q") for row in rows.values())
    assert rows["NL", "all"] | {"records": str(len(data))} == rows["NL", "all"]


@pytest.mark.parametrize("name", ["place", "code", "n", "u", "v", "p0", "d", "cell"])
@pytest.mark.parametrize("statistic", ["sum", "mean", "median"])
def test_a_measure_may_be_called_as_the_gate_calls_its_own_columns(tmp_path: Path, name: str, statistic: str) -> None:
    found = []
    for called in ("worth", name):
        data = flagged(*LARGE, *SAFE).rename_columns({"worth": called})
        world = World(tmp_path / called)
        world.folder.mkdir()
        found.append(world.add("homes", data).check(table_request("region", statistic=statistic, measure=called)))
    assert rows_of(found[0].outputs[CELLS]) == rows_of(found[1].outputs[CELLS])


def test_a_mean_needs_the_units_of_the_policy_in_every_cell(tmp_path: Path) -> None:
    world = World(tmp_path, policy_overrides={"mean_units": 70}).add("homes", flagged(*LARGE, *SAFE))
    rows = released(world, table_request("region", "kind", statistic="mean", measure="worth"))
    assert rows["G1a1", "k1"]["value"] == ""  # 60 units: enough for a count, not for a mean
    assert rows["G1a1", "k2"]["records"] in {"140", ""}


# percentiles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [5, 25, 50, 90])
def test_a_percentile_is_the_value_of_its_rank(tmp_path: Path, share: int) -> None:
    data = random_homes(9, 900, 500)
    request = table_request("region", "kind", statistic="percentile", measure="worth", percentile=share)
    world = World(tmp_path).add("homes", data)
    shown = shown_dimensions(request, world.classifications)
    with world.sources() as sources:
        found = percentiles(request, shown, sources, "owner")
        cells = tabulate(request, shown, sources).table
    homes = data.to_pandas()
    assert found.cell.tolist() == cells.keys().tolist()
    for i in range(0, len(cells), 5):
        region, kind = cells.labels(i)
        inside = homes[homes["region"].str.startswith(region.replace("NL", ""))]
        inside = inside if kind == "all" else inside[inside["kind"] == kind]
        expected = np.percentile(inside["worth"], share, method="inverted_cdf")
        assert found.value[i] == expected
        assert found.below[i] == inside[inside["worth"] <= expected]["owner"].nunique() - 1
        assert found.above[i] == inside[inside["worth"] >= expected]["owner"].nunique() - 1


def test_a_count_of_homes_is_kept_from_who_owns_nearly_all_of_the_one_beside_it(tmp_path: Path) -> None:
    """One owner has 200 of k1's 209 homes, another all 300 of k2: k3 is hidden too, or the other knows k1 ≤ 209."""
    homes = flagged((209, "G1a1", "k1"), (300, "G1a1", "k2"), (900, "G1a1", "k3"))
    owner = [*[7] * 200, *range(20, 29), *[1] * 300, *range(100, 1000)]
    homes = homes.set_column(homes.column_names.index("owner"), "owner", pa.array(owner, pa.int64()))
    out = World(tmp_path).add("homes", homes).check(table_request("kind"))
    assert [row["kind"] for row in rows_of(out.outputs[CELLS]) if row["value"] == ""] == ["k1", "k2", "k3"]
    reasons = {row["kind"]: row["status"] for row in rows_of(out.checker_annex[ANNEX])}
    assert reasons == {"all": "published", "k1": "primary", "k2": "primary", "k3": "secondary"}


def test_a_percentile_with_fewer_than_ten_units_on_a_side_is_hidden(tmp_path: Path) -> None:
    # of 200 values 1 … 200 in one cell the 5th percentile is the 10th: 9 below it; the 6th is the 12th: 11 below it
    data = flagged((200, "G1a1", "k1"), (300, "G2a1", "k2"))
    for share, shown in ((5, ""), (6, "12"), (95, "190"), (96, "")):
        (tmp_path / str(share)).mkdir()
        world = World(tmp_path / str(share)).add("homes", data)
        rows = released(world, table_request("region", statistic="percentile", measure="worth", percentile=share))
        assert rows["G1a1",]["value"] == shown
        assert rows["G1a1",]["records"] == "200"


def test_twelve_values_of_one_owner_are_one_unit_beside_a_median(tmp_path: Path) -> None:
    data = flagged((25, "G1a1", "k1"), (300, "G2a1", "k2"))
    owners = data.column("owner").to_pylist()
    owners[:12] = [owners[0]] * 12  # the twelve lowest values
    data = data.set_column(1, "owner", pa.array(owners, pa.int64()))
    rows = released(World(tmp_path).add("homes", data), table_request("region", statistic="median", measure="worth"))
    assert rows["G1a1",]["value"] == ""  # 1 owner below, 12 above


@pytest.mark.parametrize("statistic", ["minimum", "maximum", "mode"])
def test_a_figure_of_one_record_is_refused_with_what_to_ask_instead(tmp_path: Path, statistic: str) -> None:
    """ACRO lets the mode of three records pass (AI-SDC/ACRO, its own list of open points)."""
    request = table_request("kind", statistic=statistic, measure="worth")
    with pytest.raises(Refused, match=f"a {statistic} is the value of one record and is refused; ask for"):
        World(tmp_path).add("homes", flagged((3, "G1a1", "k1"), (300, "G1a1", "k2"))).check(request)


# known leaks of a peer -----------------------------------------------------------------------------------------------


def test_one_household_in_twelve_records_is_hidden_and_97_percent_in_one_category_too(tmp_path: Path) -> None:
    sensitive = CLASSIFICATIONS["kind"].model_copy(update={"sensitive": True, "neutral": ("k3",)})
    data = flagged((97, "G1a1", "k1"), (3, "G1a1", "k2"), (100, "G1a2", "k3"), (40, "G1a2", "k1"), (60, "G1a2", "k2"))
    world = World(tmp_path, classifications={**CLASSIFICATIONS, "kind": sensitive}).add("homes", data)
    out = world.check(table_request("region", "kind"))
    annex = {(r["region"], r["kind"]): r for r in rows_of(out.checker_annex[ANNEX])}
    assert "group" in annex["G1a1", "k1"]["reason"]
    (tmp_path / "b").mkdir()
    data = flagged((12, "G1a1", "k1"), (50, "G1a1", "k2"), (50, "G1a2", "k1"), (50, "G1a2", "k2"))
    owners = data.column("owner").to_pylist()
    owners[:12] = [7] * 12
    data = data.set_column(1, "owner", pa.array(owners, pa.int64()))
    assert (
        released(World(tmp_path / "b").add("homes", data), table_request("region", "kind"))["G1a1", "k1"]["value"] == ""
    )


# what does not go together -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        (table_request("kind", statistic="median"), "a median needs a measure"),
        (table_request("kind", statistic="percentile", measure="worth"), "a percentile says which one"),
        (table_request("kind", statistic="rate"), "a rate says of which category"),
        (table_request("region", "kind", rate=RATE), "a rate says of which category"),
        (table_request("region", statistic="rate", rate=RATE), "no dimension of the table"),
        (table_request("kind", statistic="rate", rate=RATE), "needs a dimension besides its own"),
        (rate_request(Rate(column="kind", category="all")), "none of kind below its total"),
        (rate_request(Rate(column="kind", category="k1", figures=("ratio",))), "by which dimensions"),
        (rate_request(Rate(column="kind", category="k1", standardise=("kind",))), "other than its own"),
        (rate_request(weight="w"), "with sampling weights needs a person"),
        (table_request("kind", weight="owner"), "owner is a key"),
        (table_request("kind", statistic="sum", measure="w", weight="w"), "the weight is the measure itself"),
        (table_request("kind", also_units=("owner",)), "a kind of unit is named twice"),
    ],
)
def test_fields_that_do_not_go_together_are_refused_before_any_data_is_read(
    tmp_path: Path, request_: TableRequest, fault: str
) -> None:
    found = faults_of_table(request_, CLASSIFICATIONS, policy_in(tmp_path).public.tables)
    assert any(fault in each for each in found)


def test_an_unknown_statistic_never_becomes_a_request() -> None:
    listed = table_request("kind").model_dump_json().replace('"count"', '"range"')
    with pytest.raises(Refused, match="malformed at"):
        parse_requests(f"[{listed}]")
