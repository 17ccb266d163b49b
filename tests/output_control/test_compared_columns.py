"""Two outputs of one analysis that subtract to a few units through their columns: each pair left before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import (
    BoxPlotRequest,
    CorrelationRequest,
    HistogramRequest,
    LorenzRequest,
    OutputRequest,
    RegressionRequest,
    RocRequest,
    SurvivalRequest,
    Term,
)
from tests.output_control.distribution_requests import asked, homes
from tests.output_control.gate_world import World, table_request

ROWS = 300
RNG = np.random.default_rng(0)
INCOME = RNG.normal(30_000, 6_000, ROWS).round(0)
EVENT, TIME = RNG.integers(0, 2, ROWS), RNG.exponential(4, ROWS).round(2) + 0.01
SUBTRACTED = "columns that the outputs use differ for fewer than 10 units"
CLASSES = "cut one column into different classes"


def without(values: np.ndarray, units: int, other: Any = 0) -> np.ndarray:
    """The same, but for some units."""
    return np.where(np.arange(ROWS) < units, other, values)


def data(units: int = 1, **columns: Any) -> pa.Table:
    """Incomes, dummies, weights and codes, each also in a form that differs for ``units`` units."""
    g, code = (np.arange(ROWS) < 60).astype(np.int64), np.where(np.arange(ROWS) < 60, "k1", "k2")
    half = np.where(np.arange(ROWS) < 250, INCOME, np.nan)
    less = without(half, units, np.nan)
    return homes(
        ROWS,
        y=INCOME,
        y2=without(INCOME, units),
        g=g,
        g2=without(g, units),
        kind=code.tolist(),
        kind2=without(code, units, "k2").tolist(),
        w=np.ones(ROWS),
        w2=without(np.ones(ROWS), units, 1e-3),
        z=np.arange(ROWS) % 2,
        q=RNG.normal(size=ROWS),
        half=pa.array(half, mask=np.isnan(half)),
        less=pa.array(less, mask=np.isnan(less)),
        event=EVENT,
        time=TIME,
        **columns,
    )


def ols(name: str, *terms: str, **fields: Any) -> RegressionRequest:
    settings: dict[str, Any] = {"family": "ols", "outcome": "y"}
    listed = tuple(Term(column=term) for term in (*terms, "z", "q"))
    return asked(RegressionRequest, name=name, terms=listed, **(settings | fields))


def sums(name: str, measure: str) -> OutputRequest:
    return table_request("kind", name=name, statistic="sum", measure=measure)


def survival(name: str, **fields: Any) -> SurvivalRequest:
    return asked(SurvivalRequest, name=name, **({"outcome": "event", "duration": "time", "interval": 1.0} | fields))


def refusal(folder: Path, table: pa.Table, *requests: OutputRequest) -> str:
    with pytest.raises(Refused) as caught:
        World(folder).add("homes", table).check(*requests)
    return str(caught.value)


PAIRS: dict[str, tuple[OutputRequest, OutputRequest]] = {
    "terms": (ols("a", "g"), ols("b", "g2")),
    "outcomes": (ols("a", "g"), ols("b", "g", outcome="y2")),
    "weights": (ols("a", "g", family="wls", weight="w"), ols("b", "g", family="wls", weight="w2")),
    "a weight beside none": (ols("a", "g"), ols("b", "g", family="wls", weight="w2")),
    "sums": (sums("a", "y"), sums("b", "y2")),
    "a sum beside a model": (sums("a", "y"), ols("b", "g", outcome="y2")),
    "curves": (survival("a", by="kind"), survival("b", by="kind2")),
    "a table beside a box plot": (table_request("kind", name="a"), asked(BoxPlotRequest, measure="y", by="kind2")),
    "a table beside a dummy": (table_request("kind", name="a"), ols("b", "g2")),
    "who has a number": (
        asked(CorrelationRequest, name="a", features=("q", "half")),
        asked(CorrelationRequest, name="b", features=("q", "less")),
    ),
}


@pytest.mark.parametrize("pair", list(PAIRS))
def test_columns_that_differ_for_a_few_units_are_refused(tmp_path: Path, pair: str) -> None:
    assert SUBTRACTED in refusal(tmp_path, data(), *PAIRS[pair])


@pytest.mark.parametrize(("pair", "units"), [("terms", 12), ("outcomes", 12), ("curves", 12), ("who has a number", 30)])
def test_columns_that_differ_for_enough_units_are_not(tmp_path: Path, pair: str, units: int) -> None:
    assert World(tmp_path).add("homes", data(units=units)).check(*PAIRS[pair]).outputs


def test_a_few_units_behind_a_little_noise_and_another_scale_are_found(tmp_path: Path) -> None:
    noisy = 3 * without(INCOME, 1) + 7 + np.random.default_rng(3).normal(size=ROWS)
    assert SUBTRACTED in refusal(tmp_path, data(noisy=noisy), ols("a", "g"), ols("b", "g", outcome="noisy"))


def test_columns_of_two_frames_of_the_same_records_are_compared(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", data())
    changed = data().set_column(2, "y", pa.array(without(INCOME, 1)))
    world.add("again", changed, population=data().select(["home", "owner"]))
    with pytest.raises(Refused, match=r"again and homes: columns that the outputs use differ"):
        world.check(ols("a", "g"), ols("b", "g", derivation="again"))


CUTS: dict[str, tuple[OutputRequest, OutputRequest]] = {
    "histogram": (
        asked(HistogramRequest, name="a", measure="y", start=10_000.0, width=5_000.0, bins=8),
        asked(HistogramRequest, name="b", measure="y", start=10_100.0, width=5_000.0, bins=8),
    ),
    "histogram of a shifted column": (
        asked(HistogramRequest, name="a", measure="y", start=10_000.0, width=5_000.0, bins=8),
        asked(HistogramRequest, name="b", measure="moved", start=10_000.0, width=5_000.0, bins=8),
    ),
    "survival": (survival("a"), survival("b", interval=1.1)),
    "lorenz": (asked(LorenzRequest, name="a", measure="y", classes=5), asked(LorenzRequest, name="b", measure="y")),
    "roc": (
        asked(RocRequest, name="a", outcome="event", score="y"),
        asked(RocRequest, name="b", outcome="event", score="moved"),
    ),
}


@pytest.mark.parametrize("cuts", list(CUTS))
def test_one_column_in_two_sets_of_classes_is_refused(tmp_path: Path, cuts: str) -> None:
    """Thirty curves in intervals of 1.0, 1.1 … gave survival at 102 times, each event by itself."""
    assert CLASSES in refusal(tmp_path, data(moved=INCOME + 137), *CUTS[cuts])


def test_one_column_in_one_set_of_classes_twice_is_fine(tmp_path: Path) -> None:
    twice = [asked(LorenzRequest, name=name, measure="y") for name in ("a", "b")]
    both = [survival("c"), survival("d", by="kind")]
    assert World(tmp_path).add("homes", data()).check(*twice, *both).outputs
