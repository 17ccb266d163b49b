"""The shipped policies: each can be evaluated, says where its values come from, and does what its profile says."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml

from enclave.entropy import SeededEntropy
from enclave.errors import Refused
from enclave.requests import Protection, Rate, TableRequest
from output_control.gate import check
from output_control.policy import Policy, load_policy, provision_confidential
from output_control.sealed import CheckedOutput
from output_control.tables.rules import Dominance, MinimumFrequency, PPercent, PriorPosterior, for_signed
from tests.output_control.gate_world import CONFIGS, World, random_homes, table_request
from tests.output_control.statistic_rows import flagged

PROFILES = ("acro", "cbs_income", "cbs_ra", "eurostat", "opensafely")


def profile(name: str, folder: Path) -> Policy:
    """A shipped policy with its example of a confidential part."""
    gate = folder / f"gate_{name}"
    gate.mkdir(mode=0o700, parents=True)
    provision_confidential(CONFIGS / "policies" / f"{name}.confidential.example.yaml", gate, SeededEntropy(1))
    return load_policy(CONFIGS / "policies" / f"{name}.yaml", gate)


def checked(world: World, policy: Policy, *requests: TableRequest) -> CheckedOutput:
    with world.engine() as engine:
        return check(
            "demo",
            1,
            requests,
            rederive=lambda: world.derived,
            linked=world.linked,
            policy=policy,
            classifications=world.classifications,
            engine=engine,
            made_with=world.made_with,
        )


def rows_of(out: CheckedOutput) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(out.outputs["outputs/demo/homes.csv"].decode())))


@pytest.mark.parametrize("name", PROFILES)
def test_a_shipped_profile_can_be_evaluated_and_gives_a_source_for_every_value(tmp_path: Path, name: str) -> None:
    policy = profile(name, tmp_path)
    assert policy.public.profile == name
    public = yaml.safe_load((CONFIGS / "policies" / f"{name}.yaml").read_text())
    entries = [public["output_kinds"], *public["tables"].values(), *public["models"].values()]
    assert all(len(entry["source"]) > 30 for entry in entries)


def test_the_shipped_profiles_are_all_there_are() -> None:
    shipped = {path.stem for path in (CONFIGS / "policies").glob("*.yaml") if ".confidential" not in path.name}
    assert shipped == set(PROFILES)


@pytest.mark.parametrize(
    ("name", "n", "rules"),
    [
        ("acro", 10, (Dominance(2, 90), PPercent(10))),
        ("cbs_income", 10, (Dominance(1, 30),)),
        ("cbs_ra", 10, (Dominance(1, 50), PPercent(10))),
        ("eurostat", 5, (Dominance(2, 85), PPercent(10))),
        ("opensafely", 8, (PPercent(10),)),
    ],
)
def test_a_profile_holds_the_published_parameters(tmp_path: Path, name: str, n: int, rules: tuple[object, ...]) -> None:
    policy = profile(name, tmp_path)
    assert policy.frequency_rule() == MinimumFrequency(n)
    assert policy.dominance_rules() == rules


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_protects_a_random_table_and_its_sum(tmp_path: Path, name: str) -> None:
    world = World(tmp_path).add("homes", random_homes(2, 2500, 1800))
    policy = profile(name, tmp_path)
    for fields in ({}, {"statistic": "sum", "measure": "worth"}):
        out = checked(world, policy, table_request("region", "kind", **fields))
        annex = list(csv.DictReader(io.StringIO(out.checker_annex["annex/demo/homes.cells.csv"].decode())))
        least = policy.public.tables.minimum_frequency.value
        assert all(row["status"] == "primary" for row in annex if 0 < int(row["units"]) < least)


def test_opensafely_redacts_up_to_seven_and_rounds_the_rest_to_five(tmp_path: Path) -> None:
    data = flagged((7, "G1a1", "k1"), (33, "G1a1", "k2"), (48, "G1a2", "k1"), (6, "G1a2", "k2"), (52, "G1a2", "k3"))
    rows = rows_of(
        checked(World(tmp_path).add("homes", data), profile("opensafely", tmp_path), table_request("region", "kind"))
    )
    value = {(r["region"], r["kind"]): r["value"] for r in rows}
    assert value["G1a1", "k1"] == value["G1a2", "k2"] == ""
    # 33 → 35, 48 → 50, 52 → 50; totals each by themselves: 40 → 40, 106 → 105, 146 → 145
    shown = {key: value[key] for key in value if value[key] not in {"", "0"}}
    assert all(int(v) % 5 == 0 for v in shown.values())
    assert (value["G1a1", "all"], value["G1a2", "all"], value["NL", "all"]) == ("40", "105", "145")
    assert (value["G1a1", "k2"], value["G1a2", "k1"], value["G1a2", "k3"]) == ("35", "50", "50")


@pytest.mark.parametrize("name", ["opensafely", "cbs_income"])
def test_two_plain_counts_of_the_same_homes_leave_rounded_in_one_analysis(tmp_path: Path, name: str) -> None:
    world = World(tmp_path).add("homes", random_homes(2, 2500, 1800))
    by_kind = table_request("kind", unit="home").model_copy(update={"name": "kinds"})
    out = checked(world, profile(name, tmp_path), table_request("region", "kind", unit="home"), by_kind)
    totals = [
        next(row["value"] for row in csv.DictReader(io.StringIO(content.decode())) if {*row.values()} >= codes)
        for content, codes in (
            (out.outputs["outputs/demo/homes.csv"], {"NL", "all"}),
            (out.outputs["outputs/demo/kinds.csv"], {"all"}),
        )
    ]
    assert totals == ["2500", "2500"]


def test_income_counts_leave_in_hundreds_and_percentages_of_a_hundred_or_more(tmp_path: Path) -> None:
    data = flagged((260, "G1a1", "k1"), (520, "G1a1", "k2"), (30, "G1a2", "k1"), (60, "G1a2", "k2"))
    world, policy = World(tmp_path).add("homes", data), profile("cbs_income", tmp_path)
    value = {
        (r["region"], r["kind"]): r["value"] for r in rows_of(checked(world, policy, table_request("region", "kind")))
    }
    assert (value["G1a1", "k1"], value["G1a1", "k2"], value["NL", "all"]) == ("300", "500", "900")
    request = table_request("region", "kind", statistic="rate", rate=Rate(column="kind", category="k1"))
    rate = {r["region"]: r["rate"] for r in rows_of(checked(world, policy, request))}
    assert rate["G1a1"] == "0.38"  # 300 by 800, of the rounded counts, in two digits
    assert rate["G1a2"] == ""  # of 90


def test_an_income_mean_needs_a_hundred_units_none_of_which_holds_over_thirty_percent(tmp_path: Path) -> None:
    data = flagged(
        (120, "G1a1", "k1"),
        (120, "G1a1", "k2"),
        (99, "G1a1", "k3"),
        (150, "G1a2", "k1"),
        (150, "G1a2", "k2"),
        (150, "G1a2", "k3"),
    )
    worth = np.resize([2.0, 6.0, 10.0, 14.0, 18.0], 789)
    worth[0] = 0.5 * worth[1:120].sum() + 1  # of k1 in G1a1: 600 of 1798, 33 %
    data = data.set_column(4, "worth", pa.array(worth))
    request = table_request("region", "kind", statistic="mean", measure="worth")
    out = checked(World(tmp_path).add("homes", data), profile("cbs_income", tmp_path), request)
    annex = {
        (r["region"], r["kind"]): r
        for r in csv.DictReader(io.StringIO(out.checker_annex["annex/demo/homes.cells.csv"].decode()))
    }
    assert annex["G1a1", "k1"]["reason"] == "nk"
    assert annex["G1a1", "k3"]["reason"] == "freq"
    assert annex["G1a1", "k2"]["reason"] == ""


# the rules' own arithmetic -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "reduced"),
    [
        (PPercent(10), PPercent(5)),
        (PriorPosterior(10, 50), PriorPosterior(5, 50)),
        (Dominance(1, 50), Dominance(1, 75)),
        (MinimumFrequency(10), MinimumFrequency(10)),
    ],
)
def test_contributions_of_either_sign_reduce_the_rules_by_the_factor(rule: object, reduced: object) -> None:
    """p/f and 100 − (100 − k)/f with f = 2: Handbook on SDC, section 4.2, negative contributions."""
    assert for_signed(rule, 2.0) == reduced  # type: ignore[arg-type]  # parametrised


def test_minimum_frequency_alone_may_be_asked_of_measures_of_either_sign(tmp_path: Path) -> None:
    data = flagged((60, "G1a1", "k1"), (60, "G1a1", "k2"), (60, "G1a1", "k3"))
    worth = np.full(180, 10.0)
    worth[0], worth[1:31], worth[60:] = 900.0, -10.0, np.resize(np.arange(8.0, 13.0), 120)
    data = data.set_column(4, "worth", pa.array(worth))
    request = table_request("kind", statistic="sum", measure="worth")
    for number, (kind, hidden) in enumerate(
        [({"kind": "shift", "factor": 1.25}, True), ({"kind": "frequency_only"}, False)]
    ):
        (tmp_path / str(number)).mkdir()
        world = World(tmp_path / str(number), policy_overrides={"negatives": kind}).add("homes", data)
        value = {r["kind"]: r["value"] for r in rows_of(world.check(request))}
        assert (value["k1"] == "") == hidden  # 900 of a size of 1,490: 60.4 %, above 100 − 50/1.25 = 60 %


def test_structural_zeros_are_not_tested_as_group_disclosure(tmp_path: Path) -> None:
    data = flagged(
        (50, "G1a1", "yes"), (50, "G1a1", "no"), (40, "G1a2", "yes"), (50, "G1b1", "no"), (50, "G1b1", "yes")
    )
    data = data.rename_columns(["home", "owner", "region", "flag", "worth"])
    world = World(tmp_path).add("homes", data)
    request = table_request("region", "flag")
    with pytest.raises(Refused, match="as a whole in one sensitive category"):
        world.check(request)
    world.policy_overrides["zeros"] = "structural"
    assert rows_of(world.check(request))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count_rounding", {"kind": "nearest"}),
        ("count_rounding", {"kind": "none", "base": 5}),
        ("negatives", {"kind": "shift"}),
        ("negatives", {"kind": "shift", "factor": 1.0}),
        ("negatives", {"kind": "frequency_only", "factor": 2.0}),
        ("weights", "hidden"),
        ("zeros", "safe"),
        ("mean_units", 0),
    ],
)
def test_a_value_that_cannot_be_evaluated_is_refused(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(Refused, match=field):
        _ = World(tmp_path, policy_overrides={field: value}).policy


WAYS = [
    *[("acro", Protection(method=method, base=base)) for method, base in (("coarser", None), ("rounding", 5))],
    ("acro", Protection(method="rounding", base=10)),
    *[("eurostat", Protection(method="rounding", base=base)) for base in (3, 5, 10)],
    *[("eurostat", Protection(method=method)) for method in ("coarser", "cell_key")],
    ("eurostat", Protection(method="small_count_rounding", base=5)),
]


def small_cells() -> pa.Table:
    """Every other home of one kind in the areas: cells of 1 … 4 beside cells of 20 and more."""
    areas = ("G1a1", "G1a2", "G1b1", "G2a1", "G2a2")
    return flagged(*[(20 + 3 * at, area, "k1") for at, area in enumerate(areas)],
                   *[(1 + at, area, "k2") for at, area in enumerate(areas[:4])], (40, "G2a2", "k3"))  # fmt: skip


@pytest.mark.parametrize(
    ("name", "way"), WAYS, ids=lambda each: each if isinstance(each, str) else f"{each.method}{each.base or ''}"
)
def test_what_a_profile_allows_beside_suppression_protects_a_table_with_small_cells(
    tmp_path: Path, name: str, way: Protection
) -> None:
    request = table_request("region", "kind", protection=way, unit="home")
    rows = rows_of(checked(World(tmp_path).add("homes", small_cells()), profile(name, tmp_path), request))
    value = {(row["region"], row["kind"]): row["value"] for row in rows}
    if way.method == "coarser":
        assert value["G1a1", "k2"] == ""
    elif way.base and way.method == "rounding":
        assert all(int(shown) % way.base == 0 for shown in value.values())
    elif way.base:
        assert {value[area, "k2"] for area in ("G1a1", "G1a2", "G1b1", "G2a1")} <= {"0", "5"}
    else:
        assert not {"1", "2"} & {shown for (_, kind), shown in value.items() if kind == "k2"}


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_says_which_other_ways_it_allows_and_those_listed_are_the_tested_ones(name: str) -> None:
    listed = yaml.safe_load((CONFIGS / "policies" / f"{name}.yaml").read_text())["tables"]["protections"]
    assert len(listed["source"]) > 30
    found = {(way["method"], base) for way in listed["value"] for base in way.get("bases", [None])}
    if name != "cbs_ra":  # whose ways tests/output_control/test_protection_choice.py takes
        assert found == {(way.method, way.base) for of, way in WAYS if of == name}


@pytest.mark.parametrize("name", ["cbs_income", "opensafely"])
def test_a_profile_that_rounds_every_count_allows_no_other_way(tmp_path: Path, name: str) -> None:
    request = table_request("region", "kind", protection=Protection(method="rounding", base=5), unit="home")
    with pytest.raises(Refused, match=r"not allowed here|under a policy that does not round"):
        checked(World(tmp_path).add("homes", small_cells()), profile(name, tmp_path), request)
