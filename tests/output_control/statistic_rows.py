"""Homes with groups and a worth, and the rows that the gate lets out of them."""

from __future__ import annotations

import csv
import io

import pyarrow as pa

from enclave.requests import Rate, TableRequest
from tests.output_control.gate_world import World, table_request

CELLS = "outputs/demo/homes.csv"
ANNEX = "annex/demo/homes.cells.csv"


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def released(world: World, request: TableRequest) -> dict[tuple[str, ...], dict[str, str]]:
    """Rows by their codes, in the order of the request's dimensions that stand in the file."""
    rows = rows_of(world.check(request).outputs[CELLS])
    names = [each.column for each in request.dimensions if each.column in rows[0]]
    return {tuple(row[name] for name in names): row for row in rows}


def flagged(*groups: tuple[int, str, str]) -> pa.Table:
    """Homes as (how many, region, kind), each with an owner of its own and a worth of 1, 2, 3 …"""
    regions = [region for count, region, _ in groups for _ in range(count)]
    kinds = [kind for count, _, kind in groups for _ in range(count)]
    n = len(kinds)
    return pa.table(
        {
            "home": pa.array(range(n), pa.int64()),
            "owner": pa.array(range(1000, 1000 + n), pa.int64()),
            "region": regions,
            "kind": kinds,
            "worth": pa.array([float(i + 1) for i in range(n)]),
        }
    )


LARGE = [(60, "G1a1", "k1"), (140, "G1a1", "k2"), (100, "G1a1", "k3")]
SMALL = [(7, "G1a2", "k1"), (23, "G1a2", "k2"), (30, "G1a2", "k3")]
SAFE = [(50, "G2a1", "k1"), (90, "G2a1", "k2"), (60, "G2a1", "k3"), (40, "G1b1", "k1"), (60, "G1b1", "k2")]
RATE = Rate(column="kind", category="k1", figures=("wilson", "shrunken"))


def rate_request(rate: Rate = RATE, **fields: object) -> TableRequest:
    return table_request("region", "kind", statistic="rate", rate=rate, **fields)


def weighted(rows: list[tuple[str, float, float]]) -> pa.Table:
    """(kind, worth, weight), each with an owner of its own."""
    data = flagged(*[(1, "G1a1", kind) for kind, _, _ in rows])
    data = data.set_column(4, "worth", pa.array([worth for _, worth, _ in rows]))
    return data.append_column("w", pa.array([weight for _, _, weight in rows]))
