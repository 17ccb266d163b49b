"""The release ledger's check of a new table against many earlier releases: time, memory, growth.

    python -m benchmarks.ledger [--persons 1000000] [--sizes 10,30,100] [--different 12]

A synthetic population with eight variables (two of them hierarchies); earlier releases of about 5,000 cells over eight
different sets of variables, first of all persons, then of a random 30–70 % of them. The first ``different`` ones are
each checked against all before, as the gate does; the rest are publications of the same tables again, which share all
their cells. Then one new table of about 5,000 cells of all persons is checked against them all. Reported: seconds of
the check (wall clock and processor), peak memory of the process; cells, hidden cells and links.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from enclave.entropy import SeededEntropy
from output_control.ledger.history import History
from output_control.ledger.joint import Together, protect_together
from output_control.ledger.keys import LedgerKeys
from output_control.ledger.released import COUNT, ReleasedTable, Rows, pack
from output_control.ledger.remember import ProjectIds, set_numbers
from output_control.ledger.store import About, Ledger
from output_control.protection import Options
from output_control.rules import MinimumFrequency, primary
from output_control.table import CellTable, Dimension, cell_keys

Codes = npt.NDArray[np.int64]
MINIMUM = 10
OPTIONS = Options(method="flow")
SETS = (
    ("region", "age"), ("region", "offence"), ("region", "income"), ("municipality", "age", "sex"),
    ("municipality", "offence", "sex"), ("municipality", "income", "sex"), ("municipality", "household", "sex"),
    ("region", "household"),
)  # fmt: skip
ASKED = ("municipality", "origin", "sex")
THEME = (0.3, 0.7)


def hierarchy(name: str, widths: Sequence[int]) -> Dimension:
    """A tree with the given number of children per level."""
    children: dict[str, tuple[str, ...]] = {}
    level = ["all"]
    for width in widths:
        below = []
        for parent in level:
            children[parent] = tuple(f"{name}{parent.removeprefix('all')}.{i}" for i in range(width))
            below += children[parent]
        level = below
    return Dimension(name, "all", children)


DIMENSIONS = {
    "region": hierarchy("region", (12, 45)),
    "municipality": hierarchy("municipality", (12, 15)),
    "age": hierarchy("age", (8,)),
    "offence": hierarchy("offence", (8,)),
    "income": hierarchy("income", (8,)),
    "household": hierarchy("household", (8,)),
    "origin": hierarchy("origin", (8,)),
    "sex": hierarchy("sex", (2,)),
}


@dataclass(frozen=True, slots=True)
class People:
    """Ledger ids, sorted, and the leaf position of each person per variable."""

    ids: Codes
    codes: dict[str, Codes]


def population(persons: int, rng: np.random.Generator) -> People:
    """Skewed independent variables."""
    ids = np.unique(rng.integers(1, 2**62, persons + persons // 1000))[:persons]
    codes = {}
    for name, dim in DIMENSIONS.items():
        leaves = np.array([dim.index[leaf] for leaf in dim.leaves])
        share = rng.dirichlet(np.full(len(leaves), 1.0))
        codes[name] = rng.choice(leaves, persons, p=share)
    return People(ids, codes)


def tabulated(name: str, variables: Sequence[str], people: People, chosen: Codes) -> ReleasedTable:
    """The table of the people at ``chosen``, each one unit."""
    dims = tuple(DIMENSIONS[variable] for variable in variables)
    shape = tuple(len(dim.codes) for dim in dims)
    leaf = cell_keys(np.column_stack([people.codes[variable][chosen] for variable in variables]), shape)
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
    rows = Rows(people.ids[chosen], people.ids[chosen], np.searchsorted(keys, leaf), np.ones(len(chosen)))
    sensitive = primary(table, MinimumFrequency(MINIMUM))
    hidden = np.zeros(len(keys), dtype=np.bool_)
    kinds = ("person", "person")
    return ReleasedTable(name, "", COUNT, kinds, table, rows, sensitive, hidden, set_numbers(table, rows))


def release_all(ledger: Ledger, people: People, releases: int, different: int, rng: np.random.Generator) -> int:
    """Fill the ledger; returns the number of hidden cells."""
    made: list[ReleasedTable] = []
    chosen = np.arange(len(people.ids))
    while len(made) < min(different, releases):
        kind = len(made) % len(SETS)
        asked = tabulated(f"s{kind}", SETS[kind], people, chosen)
        history = History(ledger, ledger.entries(), ProjectIds())
        made += protect_together([asked], history, OPTIONS, MINIMUM).released
        if len(made) % len(SETS) == 0:
            chosen = np.flatnonzero(rng.random(len(people.ids)) < rng.uniform(*THEME))
        remember(ledger, made[-1])
    for number in range(len(made), releases):
        remember(ledger, made[number % len(made)])
    return sum(int(made[number % len(made)].hidden.sum()) for number in range(releases))


def remember(ledger: Ledger, table: ReleasedTable) -> None:
    """One release of one table."""
    name = f"release-{len(ledger.entries()):03d}"
    about = About(
        project="benchmark", request=name, release=name, identity=name, kinds=("person",),
        legal_basis="none: synthetic", kept_until=date(2036, 12, 31),
    )  # fmt: skip
    ledger.append(about, pack([table]))


def measure(people: People, ledger: Ledger, entries: int) -> tuple[Together, float, float]:
    """Check the new table against the first ``entries`` releases."""
    asked = tabulated("asked", ASKED, people, np.arange(len(people.ids)))
    history = History(ledger, ledger.entries()[:entries], ProjectIds())
    started, used = time.perf_counter(), time.process_time()
    done = protect_together([asked], history, OPTIONS, MINIMUM)
    return done, time.perf_counter() - started, time.process_time() - used


def main() -> None:
    """Print one line per size, and the growth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=1_000_000)
    parser.add_argument("--sizes", default="10,30,100", help="numbers of earlier releases")
    parser.add_argument("--different", type=int, default=12, help="releases of different tables; the rest repeat them")
    given = parser.parse_args()
    sizes = [int(size) for size in given.sizes.split(",")]
    rng = np.random.default_rng(11)
    people = population(given.persons, rng)
    with tempfile.TemporaryDirectory() as place:
        gate = Path(place) / "gate"
        gate.mkdir()
        ledger = Ledger(Path(place) / "ledger", LedgerKeys.create(gate, SeededEntropy(1))).create()
        started = time.perf_counter()
        hidden = release_all(ledger, people, max(sizes), given.different, rng)
        size = sum(path.stat().st_size for path in ledger.folder.iterdir()) / 2**20
        made = time.perf_counter() - started
        sys.stdout.write(f"{max(sizes)} releases made in {made:.0f} s: {hidden} cells hidden, {size:.0f} MiB\n")
        seconds = []
        for entries in sizes:
            done, took, used = measure(people, ledger, entries)
            table = done.released[0]
            links = sum(sum(each.relations.values()) for each in done.compared)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            seconds.append(used)
            hidden = int(table.hidden.sum())
            sys.stdout.write(f"{entries:4} releases: {took:6.1f} s, {used:.1f} s of processor, peak {peak:.2f} GiB; ")
            sys.stdout.write(f"{len(table.table)} cells, {int(table.primary.mask.sum())} primary, ")
            sys.stdout.write(f"{hidden} hidden, {links} links\n")
        growth = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
        sys.stdout.write(f"growth with the number of releases: exponent {growth:.2f}\n")


if __name__ == "__main__":
    main()
