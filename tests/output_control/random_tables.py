"""Small random tables that provoke a suppressor: uneven hierarchies, chains of single children, zeros, small cells."""

from __future__ import annotations

import itertools

import numpy as np

from output_control.protection import Method, Options
from output_control.tables.table import CellTable, Dimension
from tests.output_control.tables import counts, magnitudes

MOST_LEAVES = 40


def random_dimension(random: np.random.Generator, name: str, *, deep: bool) -> Dimension:
    """A root with two to four children; if ``deep`` some have one to three children of their own, some of these two."""
    root = f"{name}T"
    children: dict[str, tuple[str, ...]] = {root: tuple(f"{name}{i}" for i in range(random.integers(2, 5)))}
    if deep:
        for code in children[root]:
            if random.random() < 0.7:
                children[code] = tuple(code + part for part in "abc"[: int(random.choice([1, 1, 2, 2, 3]))])
                for inner in children[code]:
                    if random.random() < 0.3:
                        children[inner] = tuple(inner + part for part in "xy"[: int(random.integers(1, 3))])
    return Dimension(name, root, children)


def random_counts(seed: int) -> CellTable:
    """Two to four dimensions, at most about `MOST_LEAVES` inner cells, of one of four kinds of counts."""
    random = np.random.Generator(np.random.Philox(key=seed))
    number = int(random.choice([2, 2, 3, 3, 4]))
    dims = [random_dimension(random, "abcd"[i], deep=bool(random.random() < 0.5)) for i in range(number)]
    while np.prod([len(dim.leaves) for dim in dims]) > MOST_LEAVES:
        longest = int(np.argmax([len(dim.leaves) for dim in dims]))
        name = dims[longest].name
        dims[longest] = Dimension(name, f"{name}T", {f"{name}T": (f"{name}0", f"{name}1"), f"{name}0": (f"{name}0a",)})
    keys = list(itertools.product(*(dim.leaves for dim in dims)))
    drawn = [
        random.integers(0, 5, len(keys)),
        random.choice([1, 1, 5, 5, 20], len(keys)),
        random.poisson(random.choice([1, 6, 25]), len(keys)),
        random.lognormal(2, 1.3, len(keys)).astype(np.int64),
    ][int(random.integers(0, 4))]
    drawn = np.where(random.random(len(keys)) < random.choice([0.3, 0.6, 0.9, 1.0]), drawn, 0)
    drawn[0] += not drawn.any()
    return counts(tuple(dims), dict(zip(keys, drawn.tolist(), strict=True)))


def random_options(seed: int, table: CellTable, sensitive: np.ndarray, methods: tuple[Method, ...]) -> Options:
    """Any method, all kinds of costs, both singleton demands, now and then cells that must stay published."""
    random = np.random.Generator(np.random.Philox(key=seed))
    costs = [None, np.ones(len(table)), random.random(len(table)) * 10, random.integers(0, 3, len(table)).astype(float)]
    keep = (random.random(len(table)) < 0.12) & ~sensitive if random.random() < 0.25 else None
    return Options(
        method=methods[int(random.integers(0, len(methods)))],
        cost=costs[int(random.integers(0, len(costs)))],
        singletons=bool(random.random() < 0.5),
        keep=keep,
    )


def random_magnitudes(seed: int) -> CellTable:
    """Two or three dimensions, one to five contributions per cell, of few units: many cells with one contributor."""
    random = np.random.Generator(np.random.Philox(key=seed))
    number = int(random.choice([2, 2, 3]))
    dims = tuple(random_dimension(random, "abc"[i], deep=i == 0) for i in range(number))
    keys = list(itertools.product(*(dim.leaves for dim in dims)))[:MOST_LEAVES]
    records = [
        (key, round(float(random.lognormal(3, 1.2)), 1), int(random.integers(0, 40)))
        for key in keys
        if random.random() < 0.8
        for _ in range(int(random.choice([1, 1, 2, 3, 5])))
    ]
    return magnitudes(dims, records or [(keys[0], 5.0, 1), (keys[-1], 8.0, 2)])
