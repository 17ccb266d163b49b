"""What researchers are told: what would mend a table, tried for real, and nothing of the confidential parameters."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from output_control.advice import advise
from output_control.pattern_advice import BY_PATTERN, advise_by_pattern
from output_control.policy import Policy, load_policy
from output_control.tables.evidence import Evidence, shown_dimensions, tabulate
from tests.output_control.gate_world import World, policy_in, random_homes, table_request
from tests.output_control.statistic_rows import flagged
from tests.output_control.test_profiles import checked

SMALL = 150


def evidence(world: World, *columns: str) -> Evidence:
    request = table_request(*columns)
    shown = shown_dimensions(request, world.classifications)
    with world.sources() as sources:
        return tabulate(request, shown, sources)


@pytest.mark.parametrize(("size", "expected"), [(SMALL, [False, False]), (200, [False, True])])
def test_each_coarsening_is_judged_as_the_coarser_table_is(tmp_path: Path, size: int, expected: list[bool]) -> None:
    data = random_homes(1, size)
    data = data.set_column(1, "owner", pa.array(range(size), pa.int64()))
    world = World(tmp_path).add("homes", data)
    homes = data.to_pandas()

    def cells(regions: list[int]) -> list[int]:
        counted: list[int] = []
        for length in regions:
            region = homes["region"].str[:length] if length else pd.Series("NL", index=homes.index)
            counted += homes.groupby(region).size().tolist() + homes.groupby([region, "kind"]).size().tolist()
        return counted

    lines = advise(evidence(world, "region", "kind"), world.policy)
    for level, lengths, passes in zip(("WK", "GM"), ([0, 2, 3], [0, 2]), expected, strict=True):
        assert ((np.array(cells(lengths)) < 10).mean() <= 0.2) == passes
        assert f"coarser, region down to {level}: {'passes' if passes else 'not enough'}" in lines


@pytest.mark.parametrize(("size", "expected"), [(SMALL, False), (200, True)])
def test_the_merging_that_is_proposed_is_judged_as_the_merged_table_is(
    tmp_path: Path, size: int, *, expected: bool
) -> None:
    data = random_homes(1, size)
    data = data.set_column(1, "owner", pa.array(range(size), pa.int64()))
    world = World(tmp_path).add("homes", data)
    line = next(line for line in advise(evidence(world, "region", "kind"), world.policy) if "merged, kind" in line)
    named = re.search(r"merged, kind (\S+) and (\S+):", line)
    assert named is not None
    first, second = named.groups()
    merged = [first if kind == second else kind for kind in data["kind"].to_pylist()]
    (tmp_path / "b").mkdir()
    again = evidence(World(tmp_path / "b").add("homes", data.set_column(3, "kind", pa.array(merged))), "region", "kind")
    assert ((again.table.freq < 10).mean() <= 0.2) == expected
    assert line.endswith(": passes" if expected else ": not enough")


def test_advice_counts_no_cells(tmp_path: Path) -> None:
    """How many cells are small says, beside the pattern, which of the hidden ones are."""
    world = World(tmp_path).add("homes", random_homes(1, SMALL))
    lines = advise(evidence(world, "region", "kind"), world.policy)
    known = re.compile(r"fewer than 10 units|counts to (5|10)\b|\bk\d\b|G\d[ab]?\d?")
    assert len(lines) > 4 and not any(re.search(r"\d|%", known.sub("", line)) for line in lines)


def test_units_in_both_merged_cells_count_once(tmp_path: Path) -> None:
    # 6 owners with a home in k2 and one in k3 each: 12 records, and still 6 owners when merged
    data = flagged((60, "G1a1", "k1"), (6, "G1a1", "k2"), (6, "G1a1", "k3"))
    owners = data["owner"].to_pylist()
    owners[66:72] = owners[60:66]
    data = data.set_column(1, "owner", pa.array(owners, pa.int64()))
    world = World(tmp_path).add("homes", data)
    lines = advise(evidence(world, "kind"), world.policy)
    assert "merged, kind k1 and k2: not enough" in lines


def test_rounding_is_proposed_when_it_needs_no_further_cell(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(1, SMALL))
    lines = advise(evidence(world, "region", "kind"), world.policy)
    assert any(line.startswith("rounding, counts to ") for line in lines)


def test_a_table_of_large_cells_needs_no_advice(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(1, 5000))
    assert advise(evidence(world, "kind"), world.policy) == []


# the confidential parameters ------------------------------------------------------------------------------------------


def with_parameters(folder: Path, k: float, p: float) -> Policy:
    policy_in(folder)
    hidden = folder / "gate" / "cbs_ra.confidential.yaml"
    content = yaml.safe_load(hidden.read_text())
    hidden.chmod(0o600)
    hidden.write_text(yaml.safe_dump({**content, "dominance": [{"n": 1, "k": k}], "p_percent": p}))
    return load_policy(folder / "cbs_ra.yaml", folder / "gate")


@pytest.mark.parametrize(("k", "p"), [(12.5, 90.0), (37.25, 61.75), (61.25, 13.5), (97.5, 0.5)])
def test_the_same_data_give_the_same_advice_under_all_dominance_parameters(tmp_path: Path, k: float, p: float) -> None:
    """Who varies data and asks again learns nothing from advice: it is a function of the evidence and public values."""
    world = World(tmp_path).add("homes", random_homes(1, SMALL, 60))
    found = evidence(world, "region", "kind")
    assert advise(found, with_parameters(tmp_path, k, p)) == advise(found, policy_in(tmp_path))


def test_bisecting_over_crafted_shares_shows_the_pattern_and_no_number_of_the_rule(tmp_path: Path) -> None:
    """One contributor's share is moved across k = 61.25: texts differ with the pattern only, and never hold k or p."""
    seen: dict[bool, set[str]] = {}
    for step, share in enumerate((0.50, 0.58, 0.60, 0.612, 0.613, 0.63, 0.70)):
        folder = tmp_path / str(step)
        folder.mkdir()
        world = World(folder)
        data = flagged(
            (60, "G1a1", "k1"), (60, "G1a1", "k2"), (60, "G1a2", "k1"), (60, "G1a2", "k2"), (60, "G1a2", "k3")
        )
        worth = np.resize(np.arange(21.0), 300)  # some 0, or dominance would hold for what lies above the least
        worth[0] = worth[1:60].sum() * share / (1 - share)
        world.add("homes", data.set_column(4, "worth", pa.array(worth)))
        request = table_request("region", "kind", statistic="sum", measure="worth")
        out = checked(world, with_parameters(folder, 61.25, 3.375), request)
        rows = out.outputs["outputs/demo/homes.csv"].decode()
        hidden = '"G1a1","G1a1 nl","G1a1 en","k1","k1 nl","k1 en",,' in rows
        texts = [*out.advice, *(content.decode() for path, content in out.evidence.items() if "inputs" not in path)]
        seen.setdefault(hidden, set()).add("\n".join(texts))
        assert not re.search(r"61[.,]2|3[.,]375|0[.,]6125|38[.,]75", "\n".join(texts))
    assert set(seen) == {True, False}
    assert all(len(texts) == 1 for texts in seen.values())


# by the pattern alone -------------------------------------------------------------------------------------------------


def by_pattern(folder: Path, *groups: tuple[int, str, str], hide: set[tuple[str, str]]) -> list[str]:
    world = World(folder).add("homes", flagged(*groups))
    found = evidence(world, "region", "kind")
    hidden = np.array([tuple(found.table.labels(cell)) in hide for cell in range(len(found.table))])
    assert hidden.sum() == len(hide)
    return advise_by_pattern(found, hidden, 10, exact=True)


GROUPS = (
    (60, "G1a1", "k1"), (8, "G1a1", "k2"), (7, "G1a1", "k3"),
    (40, "G1a2", "k1"), (30, "G1a2", "k2"), (30, "G1a2", "k3"),
)  # fmt: skip


def test_a_level_above_all_hidden_cells_and_a_merging_of_what_is_known_together_are_named(tmp_path: Path) -> None:
    hide = {(area, kind) for area in ("G1a1", "G1a2") for kind in ("k2", "k3")}
    lines = by_pattern(tmp_path, *GROUPS, hide=hide)
    assert lines[0] == BY_PATTERN
    assert "coarser, region down to WK: nothing hidden" in lines
    assert "without kind: nothing hidden" in lines
    assert "merged, kind k2 and k3: nothing hidden" in lines
    # of the areas both are all that there is: put together they are the area above, and no other category is proposed
    assert not any(line.startswith("merged, region") for line in lines)


def test_what_is_hidden_beside_a_pair_or_too_little_together_is_not_said_to_be_shown(tmp_path: Path) -> None:
    # three are hidden in one line: nothing tells what two of them add up to
    (tmp_path / "three").mkdir()
    three = {("G1a1", kind) for kind in ("k1", "k2", "k3")} | {("G1a2", kind) for kind in ("k1", "k2", "k3")}
    assert not any("merged, kind" in line for line in by_pattern(tmp_path / "three", *GROUPS, hide=three))
    # 8 and 1 are fewer than the minimum frequency together
    (tmp_path / "few").mkdir()
    groups = (*GROUPS[:2], (1, "G1a1", "k3"), *GROUPS[3:])
    two = {("G1a1", "k2"), ("G1a1", "k3")}
    assert not any("merged, kind" in line for line in by_pattern(tmp_path / "few", *groups, hide=two))


def test_advice_by_the_pattern_is_the_same_for_all_tables_that_publish_the_same(tmp_path: Path) -> None:
    """Whoever reads it learns nothing that the published cells do not say: hidden figures may be any that agree."""
    hide = {(area, kind) for area in ("G1a1", "G1a2") for kind in ("k2", "k3")}
    told = set()
    for moved in range(-6, 7):
        folder = tmp_path / f"by{moved}"
        folder.mkdir()
        groups = (
            GROUPS[0], (8 + moved, "G1a1", "k2"), (7 - moved, "G1a1", "k3"),
            GROUPS[3], (30 - moved, "G1a2", "k2"), (30 + moved, "G1a2", "k3"),
        )  # fmt: skip
        told.add(tuple(by_pattern(folder, *groups, hide=hide)))
    assert len(told) == 1


def test_a_table_with_few_small_cells_gets_advice_through_the_gate_and_one_without_gets_none(tmp_path: Path) -> None:
    out = World(tmp_path).add("homes", random_homes(1, 2500)).check(table_request("region", "kind"))
    hidden = out.outputs["outputs/demo/homes.csv"].decode().count('"Q"')
    assert hidden > 0 and BY_PATTERN in out.advice
    assert not any(line.startswith("many cells") for line in out.advice)
    (tmp_path / "b").mkdir()
    plain = World(tmp_path / "b").add("homes", random_homes(1, 2500)).check(table_request("kind"))
    assert BY_PATTERN not in plain.advice
