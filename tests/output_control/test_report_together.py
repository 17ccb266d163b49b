"""The intervals on the report of tables of one request that share units: what an attacker of all of them computes."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.optimize import LinearConstraint, milp

from tests.output_control.gate_world import CLASSIFICATIONS, REGION, World, random_homes, table_request, tree_of

SIZE = tree_of("size", {"total": ("every",), "size": ("s1", "s2", "s3")})
Cell = tuple[str, ...]
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


def test_intervals_of_joint_tables_are_no_wider_than_what_an_attacker_of_both_computes(tmp_path: Path) -> None:
    """An attacker of both tables enumerates populations; one who also knows which combinations occur sees no more than
    the report grants."""
    seed = 3
    data = random_homes(seed, 260).set_column(1, "owner", pa.array(np.arange(260)))
    rng = np.random.default_rng(seed)
    data = data.append_column("size", pa.array(rng.choice(SIZE.leaves(), 260, p=[0.8, 0.15, 0.05]).tolist()))
    world = World(tmp_path, classifications={**CLASSIFICATIONS, "size": SIZE}).add("homes", data)
    out = world.check(*(table_request("region", other, name=f"by_{other}") for other in ("kind", "size")))
    pages = {name: out.checker_annex[f"annex/demo/by_{name}.report.en.html"].decode() for name in ("kind", "size")}
    listed = {name: shown(text) for name, text in pages.items()}

    occurring = list(zip(*(data[column].to_pylist() for column in ("region", "kind", "size")), strict=True))
    every = list(itertools.product(REGION.leaves(), TREES["kind"].leaves(), SIZE.leaves()))
    open_to, granted = (Populations(atoms, Counter(occurring), listed) for atoms in (every, sorted(set(occurring))))
    secondaries = narrowed = 0
    for name, cells in listed.items():
        assert "can narrow the figure" in pages[name] and "not computed" not in pages[name]
        secondaries += pages[name].count('<td class="secondary">secondary')
        for area, code, *ends in cells:
            low, high = (float(each) for each in ends)
            least, most = open_to.interval(name, area, code)
            least_granted, most_granted = granted.interval(name, area, code)
            assert least <= low <= least_granted <= most_granted <= high <= most, (name, area, code)
            alone = Populations(every, Counter(occurring), {name: cells}).interval(name, area, code)
            narrowed += (least, most) != alone
    assert secondaries > 2 and narrowed > 2  # the other table tells something here


class Populations:
    """All ways to put homes into ``atoms`` (region, kind, size) that give the published cells of the ``listed`` tables
    (hidden cells with their intervals, per table)."""

    def __init__(
        self, atoms: Sequence[tuple[str, ...]], held: Counter[tuple[str, ...]], listed: Mapping[str, Sequence[Cell]]
    ) -> None:
        self.atoms = atoms
        truth = np.array([held[atom] for atom in atoms], dtype=float)
        rows, low, high = [], [], []
        for name, cells in listed.items():
            hidden = {cell[:2] for cell in cells}
            for area, code in itertools.product(*([each.code for each in TREES[c].codes] for c in ("region", name))):
                row = self._among(name, area, code)
                away = (area, code) in hidden
                rows.append(row)
                low.append(1.0 if away else row @ truth)  # an empty cell leaves as 0
                high.append(np.inf if away else row @ truth)
        self.known = LinearConstraint(np.array(rows), low, high)

    def interval(self, name: str, area: str, code: str) -> tuple[float, float]:
        """The least and the most homes in a cell."""
        row, whole = self._among(name, area, code), np.ones(len(self.atoms))
        found = [milp(sign * row, constraints=self.known, integrality=whole) for sign in (1, -1)]
        return round(found[0].fun), round(-found[1].fun)

    def _among(self, name: str, area: str, code: str) -> np.ndarray:
        areas, codes, at = below("region", area), below(name, code), 1 if name == "kind" else 2
        return np.array([atom[0] in areas and atom[at] in codes for atom in self.atoms], dtype=float)
