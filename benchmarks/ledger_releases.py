"""Different tables of one synthetic population, as the projects of an enclave would ask for them.

A project takes a year, a population and classifications, and asks for a table over each of eight sets of variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from output_control.ledger.released import COUNT, ReleasedTable, Rows
from output_control.ledger.remember import set_numbers
from output_control.ledger.rows import mixed
from output_control.tables.rules import MinimumFrequency, primary
from output_control.tables.table import CellTable, Dimension, cell_keys

Codes = npt.NDArray[np.int64]
MINIMUM = 10
SETS = (
    ("region", "age"), ("region", "offence"), ("region", "income"), ("municipality", "age", "sex"),
    ("municipality", "offence", "sex"), ("municipality", "income", "sex"), ("municipality", "household", "sex"),
    ("region", "household"),
)  # fmt: skip
# the new table: over variables that nobody asked for before, of everyone; and over variables that all projects asked
# for: of a random part of everyone, of everyone with borders and bands of its own, and of a subgroup with such
ASKED = {
    "new": (("municipality", "origin", "sex"), 0),
    "theme": (("municipality", "offence", "sex"), 997),
    "known": (("municipality", "offence", "sex"), 998),
    "subgroup": (("municipality", "income", "sex"), 1001),
}
KINDS = ("everyone", "theme", "regrouped", "subgroup", "regrouped theme", "regrouped subgroup")
BANDED = ("age", "offence", "income", "household", "origin")
FINE, BLOCKS, BANDS = 2_700, 40, 8
THEME, MOVED, RECODED, SKEW = (0.3, 0.7), 0.2, 0.1, 0.25


@dataclass(frozen=True, slots=True)
class Classified:
    """A dimension, and its leaf per category that persons are known by."""

    dim: Dimension
    leaf: Codes


@dataclass(frozen=True, slots=True)
class People:
    """Per person: ledger id, and its finest category in each variable."""

    ids: Codes
    codes: dict[str, Codes]


@dataclass(frozen=True, slots=True)
class Project:
    """What a project asks about: ``chosen`` persons in a ``year``, by ``classified`` variables."""

    name: str
    kind: str
    year: int
    chosen: Codes
    classified: dict[str, Classified]


def population(persons: int, rng: np.random.Generator) -> People:
    """Skewed independent variables."""
    ids = np.unique(rng.integers(1, 2**62, persons + persons // 1000))[:persons]
    area = rng.choice(FINE, persons, p=rng.dirichlet(np.full(FINE, SKEW)))
    codes = {"region": area, "municipality": area, "sex": rng.integers(0, 2, persons)}
    for name in BANDED:
        codes[name] = rng.choice(BLOCKS, persons, p=rng.dirichlet(np.full(BLOCKS, SKEW)))
    return People(ids, codes)


def a_year_before(people: People, year: int) -> People:
    """The same persons, of whom a tenth had another age, income … in an earlier year."""
    rng, codes = np.random.default_rng(year), dict(people.codes)
    for name in BANDED:
        other = rng.random(len(people.ids)) < RECODED
        codes[name] = np.where(other, rng.permutation(people.codes[name]), people.codes[name])
    return People(people.ids, codes)


def classified(rng: np.random.Generator | None) -> dict[str, Classified]:
    """The standard classifications; or, by chance, others: some borders moved, other bands."""
    made = {"sex": _tree("sex", 2, [2], None)}
    made["region"] = _tree("region", FINE, [12, 45], rng)
    made["municipality"] = _tree("municipality", FINE, [12, 15], rng)
    return made | {name: _tree(name, BLOCKS, [BANDS], rng) for name in BANDED}


def _tree(name: str, fine: int, widths: Sequence[int], rng: np.random.Generator | None) -> Classified:
    """A tree with the given number of children per level, its leaves runs of the ``fine`` categories."""
    size = int(np.prod(widths))
    border = np.arange(1, size) * (fine // size)
    if rng is not None:
        step = rng.choice([-1, 1], size - 1) * (rng.random(size - 1) < MOVED)
        border += step
    children: dict[str, tuple[str, ...]] = {}
    level = ["all"]
    for width in widths:
        below = []
        for parent in level:
            children[parent] = tuple(f"{name}{parent.removeprefix('all')}.{i}" for i in range(width))
            below += children[parent]
        level = below
    dim = Dimension(name, "all", children)
    leaves = np.array([dim.index[leaf] for leaf in level])
    return Classified(dim, leaves[np.searchsorted(border, np.arange(fine), side="right")])


def project(number: int, people: People, this_year: int) -> Project:
    """A project of its own: no two ask about the same persons, year and classifications."""
    kind, again = KINDS[number % len(KINDS)], number // len(KINDS)
    rng = np.random.default_rng([17, number])
    year = this_year - again if kind == "everyone" else this_year
    chosen = np.ones(len(people.ids), dtype=np.bool_)
    if "theme" in kind:
        chosen = rng.random(len(people.ids)) < rng.uniform(*THEME)
    if "subgroup" in kind:
        of, some = BANDED[again % len(BANDED)], rng.choice(BLOCKS, int(rng.integers(15, 30)), replace=False)
        chosen = np.isin(people.codes[of], some)
    return Project(f"p{number}", kind, year, np.flatnonzero(chosen), classified(rng if "regrouped" in kind else None))


def tabulated(name: str, variables: Sequence[str], people: People, about: Project) -> ReleasedTable:
    """One table of a project, nothing hidden yet."""
    by = [about.classified[variable] for variable in variables]
    dims = tuple(each.dim for each in by)
    shape = tuple(len(dim.codes) for dim in dims)
    row = mixed(people.ids[about.chosen] ^ mixed(np.array([about.year]))[0])
    order = np.argsort(row)
    chosen = about.chosen[order]
    codes = [each.leaf[people.codes[variable][chosen]] for variable, each in zip(variables, by, strict=True)]
    leaf = cell_keys(np.column_stack(codes), shape)
    counts = np.bincount(leaf, minlength=int(np.prod(shape))).reshape(shape)
    for at, dim in enumerate(dims):
        counts = np.moveaxis(counts, at, 0)
        for code in range(len(dim.codes) - 1, 0, -1):
            counts[dim.parent[code]] += counts[code]
        counts = np.moveaxis(counts, 0, at)
    keys = np.flatnonzero(counts)
    freq = counts.reshape(-1)[keys]
    table = CellTable(
        dims=dims,
        codes=np.column_stack(np.unravel_index(keys, shape)).astype(np.int32),
        freq=freq.astype(np.float64),
        value=freq.astype(np.float64),
        n_contributors=freq,
        top=np.zeros((len(keys), 3)),
        sole_contributor=np.full(len(keys), -1, dtype=np.int64),
        integral=True,
    )
    rows = Rows(row[order], people.ids[chosen], np.searchsorted(keys, leaf), np.ones(len(row)))
    sensitive = primary(table, MinimumFrequency(MINIMUM))
    hidden = np.zeros(len(keys), dtype=np.bool_)
    return ReleasedTable(
        name, "", COUNT, ("person", "person"), table, rows, sensitive, hidden, set_numbers(table, rows), period="year",
        defined="everyone" if about.kind in {"everyone", "regrouped"} else about.name,
    )  # fmt: skip
