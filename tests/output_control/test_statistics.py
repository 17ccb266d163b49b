"""Means, rates, percentiles, weights and several kinds of unit through the gate, against arithmetic on the records."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enclave.engine.interface import EngineName
from enclave.errors import Refused
from enclave.requests import Rate, TableRequest, parse_requests
from output_control import rates, table_check
from output_control.evidence import faults_of_table, shown_dimensions, tabulate, unit_sets, write_unit_sets
from output_control.percentiles import percentiles
from tests.output_control.gate_world import CLASSIFICATIONS, World, policy_in, random_homes, table_request
from tests.output_control.test_evidence import by_hand, evidence_of, frame_of

CELLS = "outputs/demo/homes.csv"
ANNEX = "annex/demo/homes.cells.csv"


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def released(world: World, request: TableRequest) -> dict[tuple[str, ...], dict[str, str]]:
    """Rows by their codes, in the order of the request's dimensions that stand in the file."""
    rows = rows_of(world.check(request).outputs[CELLS])
    names = [each.column for each in request.dimensions if each.column in rows[0]]
    return {tuple(row[name] for name in names): row for row in rows}


def flagged(*groups: tuple[int, str, str]) -> pa.Table:
    """Homes as (how many, region, kind), each with an owner of its own and a worth of 1, 2, 3 …"""
    regions = [region for count, region, _ in groups for _ in range(count)]
    kinds = [kind for count, _, kind in groups for _ in range(count)]
    n = len(kinds)
    return pa.table(
        {
            "home": pa.array(range(n), pa.int64()),
            "owner": pa.array(range(1000, 1000 + n), pa.int64()),
            "region": regions,
            "kind": kinds,
            "worth": pa.array([float(i + 1) for i in range(n)]),
        }
    )


# rates ---------------------------------------------------------------------------------------------------------------

LARGE = [(60, "G1a1", "k1"), (140, "G1a1", "k2"), (100, "G1a1", "k3")]
SMALL = [(7, "G1a2", "k1"), (23, "G1a2", "k2"), (30, "G1a2", "k3")]
SAFE = [(50, "G2a1", "k1"), (90, "G2a1", "k2"), (60, "G2a1", "k3"), (40, "G1b1", "k1"), (60, "G1b1", "k2")]
RATE = Rate(column="kind", category="k1", figures=("wilson", "shrunken"))


def rate_request(rate: Rate = RATE, **fields: object) -> TableRequest:
    return table_request("region", "kind", statistic="rate", rate=rate, **fields)


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


# weights and kinds of unit -------------------------------------------------------------------------------------------


def weighted(rows: list[tuple[str, float, float]]) -> pa.Table:
    """(kind, worth, weight), each with an owner of its own."""
    data = flagged(*[(1, "G1a1", kind) for kind, _, _ in rows])
    data = data.set_column(4, "worth", pa.array([worth for _, worth, _ in rows]))
    return data.append_column("w", pa.array([weight for _, _, weight in rows]))


def test_thresholds_count_units_without_weights_and_values_with_them(tmp_path: Path) -> None:
    data = weighted([("k1", 1.0, 2.5)] * 9 + [("k2", 1.0, 2.5)] * 40 + [("k3", 1.0, 0.5)] * 40)
    out = World(tmp_path).add("homes", data).check(table_request("kind", weight="w"))
    rows = {r["kind"]: r["value"] for r in rows_of(out.outputs[CELLS])}
    assert rows["all"] == str(9 * 2.5 + 40 * 2.5 + 40 * 0.5)
    annex = {r["kind"]: r for r in rows_of(out.checker_annex[ANNEX])}
    assert (annex["k1"]["units"], annex["k1"]["status"], annex["k1"]["reason"]) == ("9", "primary", "freq")


@pytest.mark.parametrize(("use", "top", "dominated"), [("secret", 100.0, False), ("public", 300.0, True)])
def test_dominance_takes_weighted_contributions_where_weights_are_public(
    tmp_path: Path, use: str, top: float, dominated: bool
) -> None:
    # k1: 100 with weight 3, and 20 times 10 with weight 1: X = 500, largest 100 (20 %) unweighted, 300 (60 %) weighted
    data = weighted(
        [("k1", 100.0, 3.0)] + [("k1", 10.0, 1.0)] * 20 + [(k, 10.0, 1.0) for k in ("k2", "k3") for _ in range(40)]
    )
    world = World(tmp_path, policy_overrides={"weights": use}).add("homes", data)
    out = world.check(table_request("kind", statistic="sum", measure="worth", weight="w"))
    annex = {r["kind"]: r for r in rows_of(out.checker_annex[ANNEX])}
    assert (float(annex["k1"]["value"]), float(annex["k1"]["top1"])) == (500.0, top)
    assert (annex["k1"]["status"] == "primary") == dominated


def test_a_weighted_mean_is_the_weighted_sum_by_the_weights(tmp_path: Path) -> None:
    data = weighted([("k1", float(i), 1.0 + i % 3) for i in range(60)] + [("k2", 5.0, 1.0)] * 60)
    world = World(tmp_path).add("homes", data)
    rows = released(world, table_request("kind", statistic="mean", measure="worth", weight="w"))
    values, weights = np.arange(60.0), 1.0 + np.arange(60) % 3
    assert float(rows["k1",]["value"]) == float(f"{np.average(values, weights=weights):.2e}")


@pytest.mark.parametrize("bad", [0.0, -1.0, None])
def test_a_weight_that_is_not_above_0_is_refused(tmp_path: Path, bad: float | None) -> None:
    data = weighted([("k1", 1.0, 2.0)] * 20)
    data = data.set_column(5, "w", pa.array([bad] + [2.0] * 19))
    with pytest.raises(Refused, match="have no weight above 0"):
        World(tmp_path).add("homes", data).check(table_request("kind", weight="w"))


def test_a_cell_must_pass_for_each_kind_of_unit(tmp_path: Path) -> None:
    # k1: 30 owners in 4 households; k2 and k3: 40 owners in 40 households
    data = flagged((30, "G1a1", "k1"), (40, "G1a1", "k2"), (40, "G1a1", "k3"))
    household = pa.array([i % 4 for i in range(30)] + list(range(100, 180)), pa.int64())
    data = data.append_column("household", household)
    world = World(tmp_path)
    world.add("homes", data, population=data.select(["home", "owner"]))
    # both keys of the unit stand in linked data under their own names
    from enclave.frames import FrameManifest, manifest_columns, open_frame, writing_frame
    from enclave.zones import Linked

    table = data.select(["home", "owner", "household"])
    columns = manifest_columns(table.schema, {"home": "key:object", "owner": "key:owner", "household": "key:household"})
    path = tmp_path / "frames" / "known.parquet"
    manifest = FrameManifest(zone=Linked.zone, name="known", project="demo", columns=columns, made_by="test")
    with writing_frame(path, manifest, table.schema) as sink:
        sink.write(table)
    world.linked["known"] = open_frame(path, Linked)
    alone = {r["kind"]: r["value"] for r in rows_of(world.check(table_request("kind")).outputs[CELLS])}
    assert alone["k1"] == "30"
    out = world.check(table_request("kind", also_units=("household",)))
    assert {r["kind"]: r["value"] for r in rows_of(out.outputs[CELLS])}["k1"] == ""
    annex = {r["kind"]: r for r in rows_of(out.checker_annex[ANNEX])}
    assert (annex["k1"]["units"], annex["k1"]["units_household"]) == ("30", "4")


def test_a_further_unit_that_the_linked_data_do_not_know_is_refused(tmp_path: Path) -> None:
    data = flagged((30, "G1a1", "k1"), (40, "G1a1", "k2"))
    data = data.append_column("mine", pa.array(range(70), pa.int64()))
    with pytest.raises(Refused, match="no linked data set of this question has mine beside home"):
        World(tmp_path).add("homes", data).check(table_request("kind", also_units=("mine",)))


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


# evidence over several units and engines -----------------------------------------------------------------------------

rows = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.sampled_from(CLASSIFICATIONS["region"].leaves()),
        st.sampled_from(CLASSIFICATIONS["kind"].leaves()),
        st.integers(-50, 400),
    ),
    min_size=1,
    max_size=60,
)


def three_ways(rows: list[tuple[int, str, str, int]], flags: list[str]) -> pa.Table:
    table = frame_of([(owner, region, kind, worth) for owner, region, kind, worth in rows])
    return table.append_column("flag", pa.array((flags * len(rows))[: len(rows)]))


@given(rows=rows, flags=st.lists(st.sampled_from(["yes", "no"]), min_size=1, max_size=7))
@settings(max_examples=40)
def test_units_in_many_cells_are_counted_once_in_each_over_three_hierarchies(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, str, int]], flags: list[str]
) -> None:
    """The roll-up in memory and the spreading of units together, against pandas over every cell."""
    from tests.output_control.test_evidence import by_gate

    data = three_ways(rows, flags)
    world = World(tmp_path_factory.mktemp("w")).add("homes", data)
    found = evidence_of(world, table_request("region", "kind", "flag"))
    assert by_gate(found) == by_hand(data.to_pandas(), ["region", "kind", "flag"], None)


@pytest.mark.parametrize("engine", ["duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def test_unit_sets_are_the_distinct_units_of_every_cell(tmp_path: Path, engine: EngineName) -> None:
    world = World(tmp_path).add("homes", random_homes(11, 800, 200))
    request = table_request("region", "kind")
    shown = shown_dimensions(request, world.classifications)
    with world.sources(engine) as sources:
        sets = unit_sets(request, shown, sources)
        evidence = tabulate(request, shown, sources)
        batches: list[pa.RecordBatch] = []
        write_unit_sets(request, shown, sources, batches.append)
    assert sets.schema == pa.schema([("cell", pa.int64()), ("unit", pa.int64())])
    pairs = sets.to_pandas()
    assert not pairs.duplicated().any()
    assert pairs.groupby("cell").size().tolist() == evidence.table.freq.tolist()
    assert pairs["cell"].unique().tolist() == evidence.table.keys().tolist()
    assert pa.Table.from_batches(batches).to_pandas().equals(pairs)


@pytest.mark.spark
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"statistic": "sum", "measure": "worth"},
        {"statistic": "mean", "measure": "worth", "weight": "w"},
        {"statistic": "percentile", "measure": "worth", "percentile": 30},
        {"also_units": ("home",), "weight": "w"},
    ],
)
def test_spark_gives_what_duckdb_gives_for_every_statistic(tmp_path: Path, fields: dict[str, object]) -> None:
    data = random_homes(12, 1200, 300)
    data = data.append_column("w", pa.array(1 + np.arange(1200) % 7 / 4))
    world = World(tmp_path).add("homes", data)
    request = table_request("region", "kind", "flag", **fields)
    shown = shown_dimensions(request, world.classifications)
    found = []
    for name in ("duckdb", "spark"):
        with world.sources(name) as sources:
            evidence = tabulate(request, shown, sources, weights="public")
            parts = [
                (kind.table.keys(), kind.table.freq, kind.table.value, kind.table.top, kind.table.sole_contributor)
                for kind in evidence.kinds
            ]
            numbers = [evidence.records, evidence.size, evidence.weighted]
            if request.measure and request.statistic == "percentile":
                quantile = percentiles(request, shown, sources, "owner")
                numbers += [quantile.value, quantile.below, quantile.above]
            found.append([*[array.tolist() for part in parts for array in part], *[n.tolist() for n in numbers]])
    assert found[0] == found[1]


def test_permuting_rows_and_renaming_codes_change_no_figure(tmp_path: Path) -> None:
    data = random_homes(13, 700, 250)
    order = np.random.default_rng(4).permutation(700)
    swapped = {"k1": "k3", "k3": "k1", "k2": "k2"}
    renamed = data.take(pa.array(order))
    renamed = renamed.set_column(
        renamed.schema.get_field_index("kind"), "kind", pa.array([swapped[k] for k in renamed["kind"].to_pylist()])
    )
    (tmp_path / "b").mkdir()
    request = table_request("region", "kind", statistic="median", measure="worth")
    first = released(World(tmp_path).add("homes", data), request)
    second = released(World(tmp_path / "b").add("homes", renamed), request)
    back = {**swapped, "all": "all"}
    primaries = [
        (key, row["value"], second[key[0], back[key[1]]]["value"]) for key, row in first.items() if row["value"]
    ]
    same = [a == b for _, a, b in primaries if b]
    assert len(same) > 10
    assert all(same)


@pytest.mark.parametrize("statistic", ["count", "sum", "mean"])
@pytest.mark.parametrize("heavy", [1, 9])
def test_weights_that_make_a_few_records_of_many_hide_the_cell(tmp_path: Path, statistic: str, heavy: int) -> None:
    """Before, a weighted mean of 60 homes was the value of the one that weighs ten thousand times as much."""
    data = weighted([("k1", 50.0 + i, 9_999.0 if i < heavy else 1.0) for i in range(60)] + [("k2", 60.0, 1.0)] * 60)
    request = table_request("kind", statistic=statistic, measure=None if statistic == "count" else "worth", weight="w")
    out = World(tmp_path).add("homes", data).check(request)
    annex = {r["kind"]: r for r in rows_of(out.checker_annex[ANNEX])}
    assert (annex["k1"]["status"], annex["k1"]["units"]) == ("primary", "60")
    assert {r["kind"]: r["value"] for r in rows_of(out.outputs[CELLS])}["k1"] == ""


def test_effective_records_are_those_of_kish(tmp_path: Path) -> None:
    from output_control.evidence import shown_dimensions, tabulate

    weights = [1.0 + i % 7 for i in range(40)]
    data = weighted([("k1", 1.0, w) for w in weights] + [("k2", 1.0, 3.0)] * 20)
    world, request = World(tmp_path).add("homes", data), table_request("kind", weight="w")
    with world.sources() as sources:
        found = tabulate(request, shown_dimensions(request, world.classifications), sources)
    assert found.effective[1] == pytest.approx(sum(weights) ** 2 / sum(w * w for w in weights), rel=1e-6)
    assert found.effective[2] == pytest.approx(20, rel=1e-6)


def test_weights_that_choose_instead_of_weigh_are_refused(tmp_path: Path) -> None:
    data = weighted([("k1", 1.0, 1e-6 if i else 1.0) for i in range(40)])
    with pytest.raises(Refused, match="differ by more than 10000 times"):
        World(tmp_path).add("homes", data).check(table_request("kind", weight="w"))


def test_percentiles_of_one_measure_lie_as_many_units_apart_as_one_from_an_end(tmp_path: Path) -> None:
    """Eighty percentiles of a hundred homes listed the values of eighty."""
    data = weighted([("k1", float(i), 1.0) for i in range(100)] + [("k2", float(i), 1.0) for i in range(300)])

    def of(*percents: int) -> dict[tuple[int, str], str]:
        asked = [
            table_request("kind", name=f"p{each}", statistic="percentile", percentile=each, measure="worth")
            for each in percents
        ]
        folder = tmp_path / "-".join(map(str, percents))
        folder.mkdir()
        out = World(folder).add("homes", data).check(*asked).outputs
        return {
            (each, row["kind"]): row["value"] for each in percents for row in rows_of(out[f"outputs/demo/p{each}.csv"])
        }

    near, far = of(50, 55), of(50, 60)
    assert (near[50, "k1"], near[50, "k2"], near[55, "k2"]) == ("", "149", "164")  # 5 of the units, and 15
    assert (far[50, "k1"], far[60, "k1"]) == ("49", "59")
    assert of(50)[50, "k1"] == "49"
