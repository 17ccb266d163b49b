"""What tests of the gate share: homes, refusals, and released files as rows."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import OutputRequest
from tests.output_control.gate_world import (
    CLASSIFICATIONS,
    World,
)

CELLS = "outputs/demo/homes.csv"


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def homes_of(*groups: tuple[int, str, str, int]) -> pa.Table:
    """Homes as (how many, kind, flag, first owner): each with an owner of its own."""
    kinds = [kind for count, kind, _, _ in groups for _ in range(count)]
    flags = [flag for count, _, flag, _ in groups for _ in range(count)]
    owners = [first + i for count, _, _, first in groups for i in range(count)]
    return pa.table(
        {
            "home": pa.array(range(len(kinds)), pa.int64()),
            "owner": pa.array(owners, pa.int64()),
            "kind": kinds,
            "flag": flags,
            "worth": pa.array([float(i % 7) for i in range(len(kinds))]),
        }
    )


def refusal(world: World, *requests: OutputRequest) -> str:
    with pytest.raises(Refused) as caught:
        world.check(*requests)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


def members(frame: pd.DataFrame, columns: list[str], cell: tuple[str, ...]) -> pd.DataFrame:
    for column, code in zip(columns, cell, strict=True):
        parent = {each.code: each.parent for each in CLASSIFICATIONS[column].codes}

        def within(leaf: str, code: str = code, parent: dict[str, str] = parent) -> bool:
            return leaf == code or (bool(parent[leaf]) and within(parent[leaf]))

        frame = frame[frame[column].map(within)]
    return frame
