"""Sums that may be below 0: what is hidden of them, what an attacker can still tell, and what the ledger keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import linprog

from enclave.errors import BadInput, Refused
from output_control.audit import full_equations
from output_control.linked.linked_tables import link
from output_control.protection import Options, demand, least
from output_control.sensitive import sensitive_cells
from output_control.table_check import hide
from output_control.tables.evidence import Evidence, shown_dimensions, tabulate
from output_control.tables.rules import MinimumFrequency, for_signed, primary
from tests.output_control.gate_world import World, random_homes, table_request
from tests.output_control.statistic_rows import ANNEX, CELLS, flagged, rows_of

SUM = {"statistic": "sum", "measure": "worth"}
GAINS = [10.0, 11.0, 12.0, 13.0, 14.0] * 24


def with_worth(data: pa.Table, worth: list[float] | np.ndarray[Any, Any]) -> pa.Table:
    return data.set_column(data.column_names.index("worth"), "worth", pa.array(np.asarray(worth, dtype=np.float64)))


def losses(*worth: float) -> list[float]:
    """60 homes of each kind: k1 loses, with what is given at its head; k2 and k3 gain."""
    return [*worth, *[-10.0] * (60 - len(worth)), *GAINS]


def kinds(tmp_path: Path, *worth: float, **fields: Any) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """What left of each kind, and the checkers' evidence."""
    homes = with_worth(flagged((60, "G1a1", "k1"), (60, "G1a1", "k2"), (60, "G1a1", "k3")), losses(*worth))
    out = World(tmp_path).add("homes", homes).check(table_request("kind", **{**SUM, **fields}))
    return (
        {row["kind"]: row["value"] for row in rows_of(out.outputs[CELLS])},
        {row["kind"]: row for row in rows_of(out.checker_annex[ANNEX])},
    )


def test_a_total_below_0_leaves_where_many_make_it_up(tmp_path: Path) -> None:
    shown, annex = kinds(tmp_path)
    assert shown == {"all": str(-600 + 2 * 720), "k1": "-600", "k2": "720", "k3": "720"}
    assert "primary" not in {row["status"] for row in annex.values()}


def test_a_mean_below_0_leaves_too(tmp_path: Path) -> None:
    assert kinds(tmp_path, statistic="mean")[0]["k1"] == "-10"


@pytest.mark.parametrize("largest", [-900.0, 900.0])
def test_one_large_loss_or_gain_hides_a_total_below_0_and_another_beside_it(tmp_path: Path, largest: float) -> None:
    # sizes: 900 of 900 + 590 is 60 %, above the 50 % of (1, 50) which either sign widens to 100 − 50/1.25 = 60
    shown, annex = kinds(tmp_path, largest)
    assert abs(largest) / (abs(largest) + 590) > 0.6
    assert (annex["k1"]["status"], annex["k1"]["reason"], shown["k1"]) == ("primary", "nk", "")
    assert [name for name, value in shown.items() if value == ""] != ["k1"]
    value = largest - 590
    low, high = float(annex["k1"]["lower"]), float(annex["k1"]["upper"])
    # 100/k·x1 − Σ|x| up and down
    level = 100 / 60 * 900 - 1490
    assert low <= value - level + 1e-6 and high >= value + level - 1e-6


def test_a_record_below_0_weakens_the_rules_in_its_own_cells_alone(tmp_path: Path) -> None:
    """One has 55 of 100 in k1, more than (1, 50) allows, and less than the 60 % of a cell of either sign."""
    for name, last in (("above", 0.01), ("below", -0.01)):
        homes = with_worth(
            flagged((11, "G1a1", "k1"), (60, "G1a1", "k2"), (61, "G1a1", "k3")),
            [55, *[4.5] * 10, *[45.0, 50.0, 55.0] * 40, last],
        )
        (tmp_path / name).mkdir()
        rows = rows_of(
            World(tmp_path / name).add("homes", homes).check(table_request("kind", **SUM)).checker_annex[ANNEX]
        )
        assert [row["kind"] for row in rows if row["status"] == "primary"] == ["k1"]


@pytest.mark.parametrize("last", [0.01, -0.01])
def test_a_record_below_0_makes_nobody_forget_the_own_part_of_other_cells(tmp_path: Path, last: float) -> None:
    """110 of k2's 110.48 are one's: to k1 + k2 the owner leaves 0.48 for k1 to rise by, so k3 is hidden too."""
    worth = [80.0, 2.0, 1.0, *[0.01] * 10, 110.0, *[0.04] * 12, *[49.0, 50.0, 51.0] * 20, last]
    homes = with_worth(flagged((13, "G1a1", "k1"), (13, "G1a1", "k2"), (61, "G1a1", "k3")), worth)
    world = World(tmp_path).add("homes", homes)
    out = world.check(table_request("kind", **SUM))
    hidden = {row["kind"] for row in rows_of(out.outputs[CELLS]) if row["value"] == ""}
    assert hidden == {"k1", "k2", "k3"}
    request = table_request("kind", **SUM)
    with world.sources() as sources:
        table = tabulate(request, shown_dimensions(request, world.classifications), sources).table
    assert (table.holders[:, 0] < 0).tolist() == [last < 0, False, False, last < 0]


def test_few_units_hide_a_total_below_0(tmp_path: Path) -> None:
    homes = with_worth(flagged((9, "G1a1", "k1"), (60, "G1a1", "k2"), (60, "G1a1", "k3")), [-10.0] * 9 + GAINS)
    out = World(tmp_path).add("homes", homes).check(table_request("kind", **SUM))
    annex = {row["kind"]: row for row in rows_of(out.checker_annex[ANNEX])}
    assert (annex["k1"]["status"], annex["k1"]["value"]) == ("primary", "-90")
    # a hundredth of its size, the policy's width where there is no level
    assert float(annex["k1"]["upper"]) - float(annex["k1"]["lower"]) >= 0.9 * (1 - 1e-6)


def test_a_measure_that_is_never_above_0_is_refused_and_turned_it_is_protected(tmp_path: Path) -> None:
    """Whoever knows that no total is above 0 knows more than suppressor and audit take in."""
    homes, worth = flagged((60, "G1a1", "k1"), (60, "G1a1", "k2")), np.array([3.0, 4.0, 6.0, 7.0, 5.0] * 24)
    worth[-1] = 0.0
    with pytest.raises(Refused, match="below 0 and never above") as caught:
        World(tmp_path).add("homes", with_worth(homes, -worth)).check(table_request("kind", **SUM))
    assert "turn its sign" in str(caught.value)
    (tmp_path / "turned").mkdir()
    out = World(tmp_path / "turned").add("homes", with_worth(homes, worth))
    assert {r["kind"]: r["value"] for r in rows_of(out.check(table_request("kind", **SUM)).outputs[CELLS])}[
        "all"
    ] == "595"


def signed_evidence(world: World) -> Evidence:
    request = table_request("region", "kind", **SUM)
    with world.sources() as sources:
        return tabulate(request, shown_dimensions(request, world.classifications), sources)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_attacker_of_the_published_sums_stays_outside_every_interval(tmp_path: Path, seed: int) -> None:
    """The attacker's programmes solved by another solver, over equations and with bounds made here."""
    rng = np.random.default_rng(seed)
    homes = with_worth(random_homes(seed, 400, 300), np.round(rng.normal(-4, 30, 400), 2))
    world = World(tmp_path).add("homes", homes)
    evidence = signed_evidence(world)
    table = evidence.table
    assert table.size is not None
    assert (table.value < 0).any() and (table.value > 0).any()
    sensitive, options = sensitive_cells(evidence, world.policy), world.policy.options()
    pattern, _ = hide(table, sensitive, options)
    assert 0 < sensitive.mask.sum() < pattern.suppressed.sum() < len(table)
    asked, hidden = demand(table, sensitive, options), np.flatnonzero(pattern.suppressed)
    equations = full_equations(table)[:, hidden].toarray()
    bounds = [(-size, None) for size in table.size[hidden]]
    for cell in np.flatnonzero(sensitive.mask).tolist():
        ends = []
        for side in (1.0, -1.0):
            cost = np.where(hidden == cell, -side, 0.0)
            found = linprog(cost, A_eq=equations, b_eq=np.zeros(len(equations)), bounds=bounds, method="highs")
            ends.append(np.inf if found.status == 3 else -found.fun)
        assert ends[0] >= asked.up[cell] * (1 - 1e-6)
        assert ends[1] >= asked.down[cell] * (1 - 1e-6)
        assert sum(ends) >= asked.width[cell] * (1 - 1e-6)


def test_levels_and_bounds_go_by_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    world = World(tmp_path).add("homes", with_worth(random_homes(4, 300), rng.normal(-4, 30, 300)))
    table = signed_evidence(world).table
    assert table.size is not None
    assert np.allclose(least(table, Options()), table.value - table.size)
    found = primary(table, (MinimumFrequency(10), *[for_signed(rule, 1.25) for rule in world.policy.dominance_rules()]))
    assert (found.lpl >= 0).all() and (found.lpl <= table.size).all()


def test_tables_of_either_sign_are_not_linked_without_their_records(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    table = signed_evidence(
        World(tmp_path).add("homes", with_worth(random_homes(5, 200), rng.normal(-4, 30, 200)))
    ).table
    with pytest.raises(BadInput, match="either sign are not linked"):
        link([table, table])
