"""One request of each kind of distribution over one small population, and what the gate makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import (
    BoxPlotRequest,
    ClustersRequest,
    CorrelationRequest,
    HistogramRequest,
    LorenzRequest,
    NetworkRequest,
    Population,
    Request,
    RocRequest,
    SurvivalRequest,
)
from output_control.distributions import distribution_contents
from output_control.dossier import Contents
from tests.output_control.gate_world import World

Kind = TypeVar("Kind", bound=Request)


def asked(kind: type[Kind], /, **fields: object) -> Kind:
    """A request of ``kind`` over the homes of the test's world."""
    settings: dict[str, object] = {
        "name": "output",
        "title": "What is asked",
        "derivation": "homes",
        "population": Population(dataset="homes", key="home"),
        "record": "home",
        "unit": "owner",
    }
    return kind.model_validate(settings | fields)


def homes(rows: int = 1000, seed: int = 1, **columns: Any) -> pa.Table:
    """Homes of an owner each, with the columns given (arrays or lists)."""
    rng = np.random.default_rng(seed)
    table = {"home": pa.array(rng.permutation(rows).astype(np.int64)), "owner": pa.array(np.arange(rows))}
    table |= {name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in columns.items()}
    return pa.table(table)


def judge(folder: Path, data: pa.Table, request: Request, **policy: object) -> Contents:
    """Through the check of its kind."""
    folder.mkdir(exist_ok=True)
    world = World(folder, policy_overrides=policy).add("homes", data)
    with world.sources() as sources:
        return distribution_contents(request, sources, world.policy)  # type: ignore[arg-type]  # any kind


def refused(folder: Path, data: pa.Table, request: Request, **policy: object) -> str:
    """Why it may not leave."""
    with pytest.raises(Refused) as caught:
        judge(folder, data, request, **policy)
    return str(caught.value)


def columns(found: Contents) -> dict[str, list[Any]]:
    """What leaves, by column."""
    return {column.name: column.values.to_pylist() for column in found.columns}


def mixed(seed: int = 3, rows: int = 2000) -> pa.Table:
    """Homes with everything that any kind asks for."""
    rng = np.random.default_rng(seed)
    blob = rng.integers(0, 3, rows)
    score = rng.normal(size=rows)
    return homes(
        rows,
        y=(rng.random(rows) < 1 / (1 + np.exp(-score))).astype(np.int64),
        score=score,
        worth=rng.lognormal(12, 0.4, rows).round(0),
        time=rng.exponential(4, rows) + 0.01,
        kind=rng.choice(["a", "b"], rows).tolist(),
        u=(blob * 10 + rng.normal(size=rows)),
        v=((blob == 1) * 8 + rng.normal(size=rows)),
        flag=rng.integers(0, 2, rows),
    )


ONE_OF_EACH: dict[str, Request] = {
    "clusters": asked(ClustersRequest, name="clusters", features=("u", "v"), clusters=3),
    "survival": asked(SurvivalRequest, name="survival", outcome="y", duration="time", interval=1.0, by="kind"),
    "roc": asked(RocRequest, name="roc", outcome="y", score="score"),
    "lorenz": asked(LorenzRequest, name="lorenz", measure="worth"),
    "histogram": asked(HistogramRequest, name="histogram", measure="worth", start=0.0, width=50_000.0, bins=10),
    "density": asked(
        HistogramRequest,
        name="density",
        kind="density",
        measure="worth",
        start=0.0,
        width=50_000.0,
        bins=10,
        bandwidth=40_000.0,
    ),
    "box_plot": asked(BoxPlotRequest, name="box_plot", measure="worth", by="kind"),
    "correlation": asked(CorrelationRequest, name="correlation", features=("u", "v", "flag", "y")),
    "network": asked(NetworkRequest, name="network", derivation="ties", period="other"),
}


def ties(seed: int = 5, members: int = 900) -> pa.Table:
    """Edges of a network: each member has between 1 and 30 ties."""
    rng = np.random.default_rng(seed)
    degree = np.minimum(rng.geometric(0.25, members), 30)
    home = np.repeat(np.arange(members), degree)
    other = np.concatenate([rng.choice(members, d, replace=False) for d in degree])
    return pa.table({"home": pa.array(home), "owner": pa.array(home), "other": pa.array(other.astype(np.int64))})


EXACT = {"count_base": 1}


def model_of(found: Contents) -> Any:
    """What the evidence says of the whole."""
    return found.document["model"]


def worth(values: list[float], **fields: Any) -> pa.Table:
    return homes(len(values), worth=np.array(values, dtype=float), **fields)
