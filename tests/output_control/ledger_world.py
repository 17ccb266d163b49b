"""A world with a past: releases that a real ledger on disk remembers."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa

from enclave.classifications import Classification
from enclave.entropy import SeededEntropy
from enclave.requests import OutputRequest
from output_control.ledger.history import History
from output_control.ledger.keys import LedgerKeys
from output_control.ledger.remember import ProjectIds
from output_control.ledger.rows import LedgerIds
from output_control.ledger.store import About, Ledger
from output_control.sealed import CheckedOutput
from tests.output_control.gate_world import CLASSIFICATIONS, World, table_request, tree_of

BASIS = "Wet op het Centraal bureau voor de statistiek, art. 37"
UNTIL = date(2036, 12, 31)


def a_ledger(folder: Path) -> Ledger:
    """An empty ledger with keys of its own."""
    gate = folder / "gate-keys"
    gate.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = LedgerKeys.create(gate, SeededEntropy(7))
    return Ledger(folder / "ledger", keys).create()


def about(release: str, **changed: object) -> About:
    """An entry's header."""
    fields = {
        "project": "demo", "request": f"{release}-request", "release": release, "identity": release,
        "kinds": ("object", "owner"), "legal_basis": BASIS, "kept_until": UNTIL,
    }  # fmt: skip
    return About.model_validate({**fields, **changed})


@dataclass
class Past:
    """Data sets, one at a time, of which tables are released one after the other."""

    folder: Path
    overrides: dict[str, object] = field(default_factory=dict)
    classifications: dict[str, Classification] = field(default_factory=lambda: dict(CLASSIFICATIONS))
    released: list[str] = field(default_factory=list)
    known_as: LedgerIds = field(default_factory=ProjectIds)
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ledger = a_ledger(self.folder)

    def history(self) -> History:
        """All that was released."""
        return History(self.ledger, self.ledger.entries(), self.known_as)

    def check(self, data: pa.Table, *requests: OutputRequest, alone: bool = False, **frames: pa.Table) -> CheckedOutput:
        """The gate on ``data`` (as ``homes``, and further frames); ``alone``: as if nothing had been released."""
        world = World(self.folder, classifications=self.classifications, policy_overrides=self.overrides)
        for name, table in {"homes": data, **frames}.items():
            world.add(name, table)
        world.history = History(self.ledger, (), self.known_as) if alone else self.history()
        return world.check(*requests)

    def release(self, name: str, data: pa.Table, *requests: OutputRequest, **frames: pa.Table) -> CheckedOutput:
        """Check and remember."""
        out = self.check(data, *requests, **frames)
        self.ledger.append(about(name), out.released_cells)
        self.released.append(name)
        return out


def cells_of(out: CheckedOutput, *columns: str, name: str = "homes") -> dict[tuple[str, ...], float | None]:
    """Published figures by codes; None where hidden."""
    rows = csv.DictReader(io.StringIO(out.outputs[f"outputs/demo/{name}.csv"].decode()))
    return {tuple(row[c] for c in columns): float(row["value"]) if row["value"] else None for row in rows}


def homes(**columns: list[object]) -> pa.Table:
    """Homes, each of an owner of its own unless given, with codes in columns."""
    size = len(next(iter(columns.values())))
    ids = {"home": columns.pop("home", list(range(size))), "owner": columns.pop("owner", list(range(size)))}
    whole = {name: pa.array(values, pa.int64()) for name, values in ids.items()}
    return pa.table({**whole, **{name: pa.array(values) for name, values in columns.items()}})


def codes(prefix: str, count: int) -> tuple[str, ...]:
    """``a0 a1 …``."""
    return tuple(f"{prefix}{i}" for i in range(count))


def flat(name: str, prefix: str, count: int) -> Classification:
    """A total above ``count`` codes."""
    return tree_of(name, {"total": ("all",), name: codes(prefix, count)})


__all__ = ["Past", "a_ledger", "about", "cells_of", "codes", "flat", "homes", "table_request"]
