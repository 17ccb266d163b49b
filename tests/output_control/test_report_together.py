"""The intervals on the report of tables of one request that share units: what an attacker of all of them computes."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.optimize import LinearConstraint, milp

from tests.output_control.gate_world import CLASSIFICATIONS, REGION, World, random_homes, table_request, tree_of

SIZE = tree_of("size", {"total": ("every",), "size": ("s1", "s2", "s3")})
TREES = {"region": REGION, "kind": CLASSIFICATIONS["kind"], "size": SIZE}


def below(column: str, code: str) -> list[str]:
    """The leaves of a code."""
    tree = TREES[column]
    parent = {each.code: each.parent for each in tree.codes}
    leaves = []
    for leaf in tree.leaves():
        above = [leaf]
        while parent[above[-1]]:
            above.append(parent[above[-1]])
        leaves += [leaf] if code in above else []
    return leaves


def shown(text: str) -> list[tuple[str, ...]]:
    """Codes and interval of each row of the list of hidden cells."""
    listed = text.split('id="why"')[1].partition("</section>")[0]
    rows = []
    for row in re.findall(r"<tr>(<th scope=\"row\">.*?)</tr>", listed):
        codes = [re.sub("<[^>]+>", "", each).split()[-1] for each in re.findall(r"<th[^>]*>(.*?)</th>", row)]
        rows.append((*codes, *re.findall(r'<td class="n">([^<]*)</td>', row)[-1].split(" – ")))
    return rows


def test_intervals_of_joint_tables_are_those_of_all_populations_that_agree_with_both(tmp_path: Path) -> None:
    seed = 3
    data = random_homes(seed, 260).set_column(1, "owner", pa.array(np.arange(260)))
    rng = np.random.default_rng(seed)
    data = data.append_column("size", pa.array(rng.choice(SIZE.leaves(), 260, p=[0.8, 0.15, 0.05]).tolist()))
    world = World(tmp_path, classifications={**CLASSIFICATIONS, "size": SIZE}).add("homes", data)
    out = world.check(*(table_request("region", other, name=f"by_{other}") for other in ("kind", "size")))
    pages = {name: out.checker_annex[f"annex/demo/by_{name}.report.en.html"].decode() for name in ("kind", "size")}
    listed = {name: shown(text) for name, text in pages.items()}

    # unknown: how many of each combination of which each two codes occur together; that others do not is what the
    # ledger's attacker is taken to know
    occurring = list(zip(*(data[column].to_pylist() for column in ("region", "kind", "size")), strict=True))
    together = [{(each[a], each[b]) for each in occurring} for a, b in itertools.combinations(range(3), 2)]
    held = Counter(occurring)
    atoms = [
        atom
        for atom in itertools.product(REGION.leaves(), TREES["kind"].leaves(), SIZE.leaves())
        if all(
            (atom[a], atom[b]) in pairs
            for (a, b), pairs in zip(itertools.combinations(range(3), 2), together, strict=True)
        )
    ]

    def among(name: str, area: str, code: str) -> np.ndarray:
        areas, codes, at = below("region", area), below(name, code), 1 if name == "kind" else 2
        return np.array([atom[0] in areas and atom[at] in codes for atom in atoms], dtype=float)

    truth = np.array([held[atom] for atom in atoms], dtype=float)
    rows, low, high = [], [], []
    for name, cells in listed.items():
        hidden = {cell[:2] for cell in cells}
        for area, code in itertools.product((c.code for c in REGION.codes), (c.code for c in TREES[name].codes)):
            row = among(name, area, code)
            rows.append(row)
            away = (area, code) in hidden
            low.append(1.0 if away else row @ truth)  # an empty cell leaves as 0
            high.append(np.inf if away else row @ truth)
    known = LinearConstraint(np.array(rows), low, high)

    secondaries = 0
    for name, cells in listed.items():
        assert "can narrow the figure" in pages[name] and "not computed" not in pages[name]
        secondaries += pages[name].count('<td class="secondary">secondary')
        for area, code, *ends in cells:
            row = among(name, area, code)
            found = [milp(sign * row, constraints=known, integrality=np.ones(len(atoms))) for sign in (1, -1)]
            assert [float(each) for each in ends] == [round(found[0].fun), round(-found[1].fun)], (name, area, code)
    assert secondaries > 2
