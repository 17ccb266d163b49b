"""An attacker who tries every table against all that a request of rates lets out, figures and limits with it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.requests import Rate
from tests.output_control.brute_force import BruteForce, Published, Tree
from tests.output_control.gate_world import CLASSIFICATIONS, World, table_request
from tests.output_control.statistic_rows import ANNEX, CELLS, flagged, rows_of

AREAS, KINDS, FLAGS = ("G1", "G2"), ("k1", "k2"), ("yes", "no")
TREES = (Tree("region", "NL", {"NL": AREAS}), Tree("kind", "all", {"all": KINDS}), Tree("flag", "all", {"all": FLAGS}))
INNER = list(itertools.product(AREAS, KINDS, FLAGS))
PLAIN = CLASSIFICATIONS["flag"].model_copy(update={"sensitive": False, "neutral": ()})
TWO = CLASSIFICATIONS["kind"].model_copy(update={"codes": CLASSIFICATIONS["kind"].codes[:3]})
RATE = Rate(
    column="kind",
    category="k1",
    figures=("quotient", "category_ratio", "funnel", "ratio_funnel", "direct"),
    standardise=("flag",),
    against="k2",
)
WIDTH = 3  # what cbs_ra asks of a hidden count
Row = dict[str, str]
Table = Mapping[tuple[str, ...], int]


def homes(counts: Table) -> pa.Table:
    data = flagged(*[(count, f"{area}a1", kind) for (area, kind, _), count in counts.items()])
    return data.append_column("flag", pa.array([flag for (_, _, flag), n in counts.items() for _ in range(n)]))


def count(table: Table, area: str, kind: str = "all", flag: str = "all") -> int:
    asked = {0: area, 1: kind, 2: flag}
    return sum(n for cell, n in table.items() if all(code in ("NL", "all", cell[at]) for at, code in asked.items()))


def three(value: float) -> float:
    return float(f"{value:.2e}")


@cache
def limit(p: float, n: int, target: float) -> float:
    """Of a rate: where the binomial distribution, straight between whole numbers, reaches p."""
    r, mass = 0, (1 - target) ** n
    reached = mass
    while reached <= p:
        r += 1
        mass = math.comb(n, r) * target**r * (1 - target) ** (n - r)
        reached += mass
    return max(r - (reached - p) / mass, 0.0) / n


def said(table: Table, area: str) -> dict[str, float]:
    """What a row says of a table in which nothing is hidden: the field's definitions, by hand."""
    c, n, other = count(table, area, "k1"), count(table, area), count(table, area, "k2")
    whole_c, whole_n = count(table, "NL", "k1"), count(table, "NL")
    figures: dict[str, float] = {"numerator": c, "denominator": n}
    strata = [
        tuple(count(table, *cell) for cell in ((area, "k1", f), (area, "all", f), ("NL", "k1", f), ("NL", "all", f)))
        for f in FLAGS
    ]
    expected = sum(n_ * c_w / n_w for _, n_, c_w, n_w in strata if n_)
    figures |= {"rate": c / n, "expected": expected} if n else {}
    figures |= {"ratio": c / expected} if expected else {}
    figures |= {"quotient": (c / n) / (whole_c / whole_n)} if n and whole_c else {}
    figures |= {"category_ratio": c / other} if other else {}
    if all(n_ for _, n_, _, n_w in strata if n_w):
        figures["direct"] = sum(n_w / whole_n * c_ / n_ for c_, n_, _, n_w in strata if n_w)
    if n and 0 < whole_c < whole_n:
        figures["target"] = whole_c / whole_n
        if area != "NL":
            figures["limit95_high"] = limit(0.975, n, whole_c / whole_n)
            figures["limit998_low"] = limit(0.001, n, whole_c / whole_n)
    return figures


def agrees(table: Table, rows: list[Row]) -> bool:
    """Whether a table could have given the released rows; a figure that is not shown says nothing."""
    for row in rows:
        figures = said(table, row["region"])
        for name in ("numerator", "denominator", "rate", "quotient", "category_ratio", "ratio", "expected", "direct"):
            if row[name] and not math.isclose(float(row[name]), _shown(name, figures), rel_tol=1e-9):
                return False
        for name in ("target", "limit95_high", "limit998_low"):
            if row[name] and not math.isclose(float(row[name]), three(figures.get(name, np.nan)), rel_tol=1e-9):
                return False
    return True


def _shown(name: str, figures: dict[str, float]) -> float:
    value = figures.get(name, np.nan)
    return value if name in ("numerator", "denominator") else three(value)


def possible(annex: list[Row], rows: list[Row]) -> tuple[list[Table], dict[tuple[str, ...], str]]:
    """Every table that agrees with the release, to who has been told every count that is not hidden as well."""
    status = {(row["region"], row["kind"], row["flag"]): row for row in annex}
    shown = {
        cell: None if row["status"] in ("primary", "secondary") else float(row["value"]) for cell, row in status.items()
    }
    attacker = BruteForce([Published(TREES, shown)], least=1)  # an empty cell is a published 0
    tables = itertools.islice(attacker.every_table(120), 20_000)
    names = [attacker.names.index(name) for name in ("region", "kind", "flag")]
    ordered = ({tuple(cell[at] for at in names): n for cell, n in table.items()} for table in tables)
    return [table for table in ordered if agrees(table, rows)], {cell: row["status"] for cell, row in status.items()}


def primaries(status: Mapping[tuple[str, ...], str]) -> Iterator[tuple[str, ...]]:
    return (cell for cell, each in status.items() if each == "primary")


def asked(folder: Path, counts: Table) -> tuple[list[Row], list[Row]]:
    """The cells that the checkers see, and the rows that leave."""
    world = World(folder, classifications={**CLASSIFICATIONS, "kind": TWO, "flag": PLAIN}).add("homes", homes(counts))
    request = table_request("region", "kind", "flag", statistic="rate", rate=RATE, levels={"region": ("GM",)})
    out = world.check(request)
    return rows_of(out.checker_annex[ANNEX]), rows_of(out.outputs[CELLS])


@pytest.mark.parametrize("seed", range(12))
def test_no_hidden_count_is_computed_from_what_is_released(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(10, 41, 8)
    small = rng.choice(8, rng.integers(1, 4), replace=False)
    counts[small] = rng.integers(0, 10, len(small))
    truth = dict(zip(INNER, counts.tolist(), strict=True))
    annex, rows = asked(tmp_path, truth)
    tables, status = possible(annex, rows)
    assert truth in tables
    assert set(primaries(status))
    for cell in primaries(status):
        values = [count(table, *cell) for table in tables]
        assert max(values) - min(values) >= WIDTH


# 4 of the 30 k1 in G1 are a yes: hidden, with three others beside it, so that 1 table in a line of them is the true one
SMALL = dict(zip(INNER, [4, 26, 25, 45, 30, 34, 41, 20], strict=True))


def test_the_attacker_has_what_it_takes(tmp_path: Path) -> None:
    """The positive control: let out the directly standardised rates with the strata hidden, and nothing is open."""
    annex, rows = asked(tmp_path, SMALL)
    tables, status = possible(annex, rows)
    assert ("G1", "k1", "yes") in set(primaries(status))
    assert len({count(table, "G1", "k1", "yes") for table in tables}) > WIDTH
    assert all(row["quotient"] for row in rows) and rows[1]["direct"] == ""
    careless = [row | {"direct": f"{three(said(SMALL, row['region'])['direct'])}"} for row in rows]
    left, _ = possible(annex, careless)
    assert SMALL in left
    assert len({count(table, "G1", "k1", "yes") for table in left}) == 1
