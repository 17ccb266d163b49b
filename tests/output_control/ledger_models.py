"""Homes with a regression and a table of them, for tests of models beside what was released before."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import OutputRequest, RegressionRequest, Term
from output_control.sealed import CheckedOutput
from tests.output_control.distribution_requests import asked
from tests.output_control.gate_world import World
from tests.output_control.ledger_world import Past, homes, table_request

HOMES = 600
REGRESSION = asked(RegressionRequest, name="risk", family="ols", outcome="worth", terms=(Term(column="size"),))
TABLE = table_request("kind")


def people(count: int = HOMES, owner: list[int] | None = None, first: int = 0) -> pa.Table:
    """Homes numbered from ``first``, each of an owner of its own; a third of each kind."""
    rng = np.random.default_rng(2)
    size, noise = rng.normal(100, 10, HOMES + 50), rng.normal(0, 5, HOMES + 50)
    here = range(first, first + count)
    return homes(
        home=list(here),
        owner=list(owner or here),
        kind=[f"k{i % 3 + 1}" for i in here],
        size=[float(size[i]) for i in here],
        worth=[float(2 * size[i] + noise[i]) for i in here],
    )


def without(data: pa.Table, *places: int) -> pa.Table:
    """All rows but these."""
    return data.take(pa.array([i for i in range(data.num_rows) if i not in places]))


def refused(past: Past, data: pa.Table, *requests: OutputRequest) -> str:
    """Why the gate refuses them."""
    with pytest.raises(Refused) as caught:
        past.check(data, *requests)
    return str(caught.value)


def passes(past: Past, data: pa.Table, *requests: OutputRequest) -> CheckedOutput:
    """What the gate lets out of them."""
    return past.check(data, *requests)


def yearly(past: Past, data: pa.Table, *requests: OutputRequest) -> CheckedOutput:
    """The gate on ``data`` whose years the linked data know too."""
    linked = data.select(["home", "owner", "year"])
    world = World(past.folder).add("homes", data, linked)
    world.history = past.history()
    return world.check(*requests)


def in_years(data: pa.Table, *years: int) -> pa.Table:
    return pa.concat_tables([data.append_column("year", pa.array([each] * data.num_rows)) for each in years])
