"""Two contributors who put together what they know: of each cell that holds nobody else, alone in it or both."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from enclave.errors import CannotProtect
from output_control.alone.instance import read_instance
from output_control.alone.protect import protect
from output_control.audit import audit
from output_control.ledger.released import pack, unpack
from output_control.protection import Method, Options, Pattern, Witnesses
from output_control.suppression import suppress
from output_control.tables.rules import MinimumFrequency, PPercent, PrimaryResult, primary
from output_control.tables.table import BoolArray, CellTable
from tests.output_control.brute_force import BruteForce, Published, Tree
from tests.output_control.ledger_tables import a_dimension, a_table
from tests.output_control.tables import cell, flat, magnitudes

Record = tuple[tuple[str, ...], float, int]
BEYOND = 100  # contributors of cells that many are in
CROWD: list[Record] = [(("D",), 20.0, BEYOND + i) for i in range(20)]
CROWD += [(("E",), 20.0, 2 * BEYOND + i) for i in range(30)]
DOMINATED: list[Record] = [(("A",), 80.0, 10), (("A",), 2.0, 11), (("A",), 1.0, 12)]
APART: list[Record] = [*DOMINATED, (("B",), 50.0, 1), (("C",), 60.0, 2), *CROWD]
TOGETHER: list[Record] = [*DOMINATED, (("B",), 50.0, 1), (("B",), 60.0, 2), *CROWD]


def exposed_pairs(
    records: list[Record], table: CellTable, sensitive: PrimaryResult, suppressed: BoolArray, share: float
) -> set[tuple[int, tuple[int, ...]]]:
    """Primaries and the one or two contributors who come closer than ``share`` of the levels, by brute force.

    From the records alone: who is in which cell is counted here, and every pair is tried, whatever they know.
    """
    trees = tuple(Tree(dim.name, dim.root, dim.children) for dim in table.dims)
    shown = {table.labels(i): None if suppressed[i] else float(table.value[i]) for i in range(len(table))}
    attack = BruteForce([Published(trees, shown)])
    inside: dict[tuple[str, ...], set[int]] = {}
    for i in np.flatnonzero(suppressed):
        under = [tree.below(code) for tree, code in zip(trees, table.labels(int(i)), strict=True)]
        inside[table.labels(int(i))] = {
            who for codes, _, who in records if all(code in part for code, part in zip(codes, under, strict=True))
        }
    units = sorted({who for held in inside.values() for who in held})
    found, width = set(), dict[tuple[int, frozenset[tuple[str, ...]]], float]()
    for k in np.flatnonzero(sensitive.mask & suppressed).tolist():
        away = share * (sensitive.upl[k] + sensitive.lpl[k] or 0.01 * table.value[k])
        for members in [*((one,) for one in units), *itertools.combinations(units, 2)]:
            known = {at: float(table.value[cell(table, *at)]) for at, held in inside.items() if held <= set(members)}
            if known and table.labels(k) not in known:
                if (k, frozenset(known)) not in width:
                    low, high = attack.ends(attack.tables[0], table.labels(k), known)
                    width[k, frozenset(known)] = high - low
                if width[k, frozenset(known)] < away - 1e-5 * (1 + away):
                    found.add((k, members))
    return found


@pytest.mark.parametrize("records", [APART, TOGETHER], ids=["alone in two cells", "both in one cell"])
@pytest.mark.parametrize("method", ["flow", "optimal"])
def test_two_contributors_learn_nothing_exact(records: list[Record], method: Method) -> None:
    table = magnitudes((flat("r", "ABCDE"),), records)
    sensitive = primary(table, PPercent(10, coalition=2))
    alone, both = Options(method=method), Options(method=method, coalition=2)
    narrow = suppress(table, sensitive, options=alone)
    told = audit(table, sensitive, narrow, both)
    assert audit(table, sensitive, narrow, alone).safe and not told.safe
    assert told.failed.tolist() == [cell(table, "A")]
    assert exposed_pairs(records, table, sensitive, narrow.suppressed, 0.1) == {(cell(table, "A"), (1, 2))}
    wide = suppress(table, sensitive, options=both)
    assert audit(table, sensitive, wide, both).safe
    assert not exposed_pairs(records, table, sensitive, wide.suppressed, 0.1)
    assert wide.suppressed[cell(table, "D")] and wide.cost == pytest.approx(400)


def random_records(seed: int) -> list[Record]:
    """4 × 3 cells of one to four out of eight contributors."""
    random = np.random.default_rng(seed)
    found: list[Record] = []
    for codes in itertools.product("abcd", "xyz"):
        some = random.permutation(8)[: random.choice([1, 1, 2, 2, 3, 4])].tolist()
        found += [(codes, float(np.round(np.exp(random.normal(3, 1.5)), 1)), who) for who in some]
    return found


def outcome(seed: int) -> str:
    """Pattern and audit against every pair of contributors; the audit of other patterns too must find just those."""
    records = random_records(seed)
    table = magnitudes((flat("r", "abcd"), flat("c", "xyz")), records)
    sensitive = primary(table, (PPercent(15, coalition=2), MinimumFrequency(2))[seed % 2])
    options = Options(method=("flow", "optimal")[seed // 2 % 2], coalition=2)
    hidden = sensitive.mask | (np.random.default_rng(seed).random(len(table)) < 0.6)
    other = Pattern(hidden, hidden & ~sensitive.mask, Witnesses.none(len(table)), 0.0, "", optimal=False, gap=None)
    told = audit(table, sensitive, other, options)
    assert told.singleton_exact == len({k for k, _ in exposed_pairs(records, table, sensitive, hidden, 0.1)}), seed
    try:
        pattern = suppress(table, sensitive, options=options)
    except CannotProtect:
        return "refused"
    assert audit(table, sensitive, pattern, options).safe, seed
    assert not exposed_pairs(records, table, sensitive, pattern.suppressed, 0.1), seed
    single = suppress(table, sensitive, options=replace(options, coalition=1))
    if options.method == "optimal" and pattern.optimal and single.optimal:
        assert pattern.cost >= single.cost - 1e-6, seed
    return "dearer" if pattern.cost > single.cost + 1e-6 else "safe"


@pytest.mark.parametrize("tables", [4, pytest.param(300, marks=pytest.mark.sweep)])
def test_no_two_contributors_come_close_to_a_random_magnitude(tables: int) -> None:
    found = Counter(outcome(seed) for seed in range(tables))
    assert found["dearer"] >= tables / 10 and found["refused"] <= tables / 2


@pytest.mark.parametrize("records", [APART, TOGETHER], ids=["alone in two cells", "both in one cell"])
def test_the_optimum_against_two_is_the_cheapest_pattern_of_all(records: list[Record]) -> None:
    table = magnitudes((flat("r", "ABCDE"),), records)
    sensitive, options = primary(table, PPercent(10, coalition=2)), Options(method="optimal", coalition=2)
    free = np.flatnonzero(~sensitive.mask)
    costs = []
    for more in itertools.chain.from_iterable(itertools.combinations(free, n) for n in range(len(free) + 1)):
        hidden = sensitive.mask.copy()
        hidden[list(more)] = True
        nothing = Witnesses.none(len(table))
        tried = Pattern(hidden, hidden & ~sensitive.mask, nothing, 0.0, "", optimal=False, gap=None)
        if audit(table, sensitive, tried, options).safe:
            costs.append(float(table.value[list(more)].sum()))
    found = suppress(table, sensitive, options=options)
    assert found.optimal and found.cost == pytest.approx(min(costs))


def folder(path: Path, records: list[Record], **changes: object) -> Path:
    path.mkdir()
    described = {
        "name": "pair", "kind": "magnitude", "measure": "v", "freq": "n", "contributor": "id",
        "dims": [{"name": "r", "root": "T", "hierarchy": {"T": list("ABCDE")}}], "rule": {"type": "p", "p": 10},
    }  # fmt: skip
    (path / "desc.json").write_text(json.dumps(described | changes))
    rows = "".join(f"{codes[0]},1,{value},{who}\n" for codes, value, who in records)
    (path / "micro.csv").write_text("r,n,v,id\n" + rows)
    return path


def test_a_folder_may_name_a_coalition_of_two(tmp_path: Path) -> None:
    reports = [
        protect(folder(tmp_path / f"in{size}", TOGETHER, **changes), tmp_path / f"out{size}", singletons=True)
        for size, changes in ((0, {}), (1, {"coalition": 1}), (2, {"coalition": 2}))
    ]
    assert (tmp_path / "out0" / "pattern.csv").read_bytes() == (tmp_path / "out1" / "pattern.csv").read_bytes()
    assert [report.secondary for report in reports] == [0, 0, 1]


def test_cells_without_the_microdata_have_contributors_of_their_own(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", TOGETHER, coalition=2)
    table = read_instance(source).table
    lines = ["r,freq,value,ncontr,top1,top2,top3"]
    for i in range(len(table)):
        top = ",".join(str(float(each)) for each in table.top[i])
        lines.append(f"{table.labels(i)[0]},{table.freq[i]},{table.value[i]},{table.n_contributors[i]},{top}")
    (source / "cells.csv").write_text("\n".join(lines) + "\n")
    (source / "micro.csv").unlink()
    assert protect(source, tmp_path / "out").secondary == 1


def test_the_ledger_remembers_who_the_two_of_a_cell_are() -> None:
    dims = [a_dimension("area", 3)]
    counts = a_table("sums", dims, np.array([[1], [1], [2], [3], [3], [3]]), np.array([11, 15, 12, 13, 14, 16]))
    couples = np.full((len(counts.table), 2), -1, dtype=np.int64)
    couples[1] = 11, 15
    amounts = replace(counts.table, integral=False, two_contributors=couples)
    (found,) = unpack(pack([replace(counts, table=amounts, quantity="sum of worth")]), "r1")
    assert found.table.couples.tolist() == couples.tolist()
    assert unpack(pack([counts]), "r1")[0].table.two_contributors is None


def test_a_larger_share_asks_more_of_what_contributors_leave_open() -> None:
    """A (83, level 8 - 1 = 7 both ways) beside B (sole, 50) and D (400): with B known, 0 is left; D opens it."""
    table = magnitudes((flat("r", "ABDE"),), [record for record in APART if record[0] != ("C",)])
    sensitive = replace(
        primary(table, PPercent(10)), mask=np.isin(np.arange(len(table)), [cell(table, "A"), cell(table, "B")])
    )
    pattern = suppress(table, sensitive, options=Options())
    reports = [audit(table, sensitive, pattern, Options(singleton_share=share)) for share in (0.1, 1.0, 60.0)]
    assert [report.singleton_exact for report in reports][:2] == [0, 0] and reports[2].singleton_exact


def test_a_larger_width_asks_more_of_a_magnitude_of_few() -> None:
    table = magnitudes((flat("r", "ABDE"),), [(("A",), 100.0, 1), (("B",), 2.0, 2), *CROWD])
    sensitive = primary(table, MinimumFrequency(2))
    narrow = Options(singletons=False)
    wide = replace(narrow, width_share=1.5)
    pattern = suppress(table, sensitive, options=narrow)
    assert audit(table, sensitive, pattern, narrow).safe and not pattern.secondary.any()
    assert audit(table, sensitive, pattern, wide).below_level == 1
    assert audit(table, sensitive, suppress(table, sensitive, options=wide), wide).safe
