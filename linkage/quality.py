"""The linkage-quality report of keys that were matched by name: how much, how well, whom it misses, and what to do.

Beside the counts of the linkage report it says how probable the links are, how the linked records differ from all that
were delivered, and by which weights an analysis may make up for records that were not linked. The full report stays in
the key zone. Researchers see no count of 1–9 and none that subtraction would bring back, and nothing of the model.
"""

# ruff: noqa: S608 (statements hold names from checked files and constants, never a value)
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from enclave.engine import Engine
from enclave.project import Key
from linkage.evidence import MatchEvidence, Share
from linkage.key_totals import KeyTotal, cell_totals, key_total, numeric_columns
from linkage.person_model import PASSES
from linkage.report import SMALL, Counts, Group, KeyReport, mask_groups
from linkage.sources import Source
from linkage.subgroups import SubgroupRates

WEIGHT_BY = ("sex", "age", "supplier")
NOTABLE = 0.1
"""Standardised differences beyond this are called imbalance (Austin 2009)."""
SIMILAR = "similar filters"
"""The one pass of keys that are matched by filter."""
_POOLED = "all other"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PassCount(_Record):
    """Records linked in one pass; None: hidden."""

    name: str
    records: int | None


class Balance(_Record):
    """One category among all delivered records and among the linked ones.

    ``rate`` is linked over delivered. ``difference`` is the standardised difference of the category's share between
    linked and delivered records, (p - q) / sqrt((p(1-p) + q(1-q)) / 2) (Austin 2009, doi:10.1080/03610910902859574).
    All None: hidden.
    """

    by: str
    category: str
    delivered: int | None
    linked: int | None
    rate: float | None
    difference: float | None


class CellWeight(_Record):
    """Weight of a linked record of a cell, delivered over linked: the inverse of its chance to be linked."""

    cell: str
    weight: float


class Rates(_Record):
    """An estimated share (0–1) and its 95 % interval."""

    low: float
    high: float


class KeyQuality(_Record):
    """Quality of one key. ``evidence`` is None in the researchers' version, which has the intervals instead."""

    data_set: str
    key: str
    threshold: float
    precision: Rates
    recall: Rates
    duplicate_precision: float | None
    passes: tuple[PassCount, ...]
    balance: tuple[Balance, ...]
    weights: tuple[CellWeight, ...]
    totals: tuple[KeyTotal, ...] = ()
    subgroups: tuple[SubgroupRates, ...] = ()
    evidence: MatchEvidence | None = None

    def for_researchers(self) -> KeyQuality:
        """Without the model, small counts hidden."""
        listed = [_pass_group(found) for found in self.passes]
        passes = tuple(
            PassCount(name=group.category, records=None if group.counts.hidden else group.counts.matched)
            for group in mask_groups(listed)
        )
        return self.model_copy(
            update={
                "passes": passes,
                "balance": _masked_balance(self.balance),
                "precision": _coarse(self.precision),
                "recall": _coarse(self.recall),
                "subgroups": tuple(found.for_researchers() for found in self.subgroups),
                "totals": tuple(found.for_researchers() for found in self.totals),
                "duplicate_precision": None if self.duplicate_precision is None else round(self.duplicate_precision, 2),
                "evidence": None,
            }
        )


class QualityReport(_Record):
    """All keys of a project that were matched by name."""

    project: str
    keys: tuple[KeyQuality, ...]

    def for_researchers(self) -> QualityReport:
        """The report with small counts hidden."""
        return self.model_copy(update={"keys": tuple(key.for_researchers() for key in self.keys)})


def key_quality(
    source: Source, key: Key, counted: KeyReport, evidence: MatchEvidence, *, engine: Engine, suppliers: Sequence[str]
) -> KeyQuality:
    """The quality of a key, after :func:`linkage.breakdown.groups_of` has counted ``counted``."""
    view = f"categories_{source.name}_{key.name}"
    by = [name for name in WEIGHT_BY if any(group.by == name for group in counted.groups)]
    cells = _cells(view, by, engine, suppliers)
    weights = cell_weights(cells)
    weighing = _weights_of(weights, _summed(cells, set(cells)))
    columns = numeric_columns(source, engine)
    rows = cell_totals(view, by, columns, engine) if columns else []
    return KeyQuality(
        data_set=source.name,
        key=key.name,
        threshold=evidence.threshold,
        precision=_rates(evidence.precision),
        recall=_rates(evidence.recall),
        duplicate_precision=evidence.duplicate_precision,
        passes=_passes(view, key, engine),
        balance=balance(counted.groups),
        weights=weights,
        totals=tuple(
            key_total(column, {_cell_name(row, by, suppliers): row[column] for row in rows}, *weighing)
            for column in columns
        ),
        evidence=evidence,
    )


def balance(groups: Sequence[Group]) -> tuple[Balance, ...]:
    """Every category of every breakdown."""
    made = []
    for by in dict.fromkeys(group.by for group in groups):
        mine = [(g.category, g.counts.records, g.counts.matched or 0) for g in groups if g.by == by]
        delivered, linked = sum(n for _, n, _ in mine), sum(m for _, _, m in mine)
        made += [
            Balance(
                by=by,
                category=category,
                delivered=n,
                linked=m,
                rate=round(m / n, 4) if n else None,
                difference=standardised_difference(m / linked, n / delivered) if linked and delivered else None,
            )
            for category, n, m in mine
        ]
    return tuple(made)


def standardised_difference(p: float, q: float) -> float | None:
    """Of two shares; None when both are 0 or both 1 (nothing varies)."""
    spread = (p * (1 - p) + q * (1 - q)) / 2
    return round((p - q) / math.sqrt(spread), 4) if spread > 0 else (0.0 if p == q else None)


def cell_weights(cells: Mapping[str, tuple[int, int]]) -> tuple[CellWeight, ...]:
    """Weights by cell of (delivered, linked) records.

    A cell with fewer than ten linked records, or with 1–9 unlinked ones, is pooled with others of that kind, and with
    further ones (smallest first) until the pool has neither: a weight of few records is noise, and tells on them.
    """
    pooled = {cell for cell, found in cells.items() if _is_thin(*found)}
    rest = sorted(set(cells) - pooled, key=lambda cell: (cells[cell][0], cell))
    while rest and pooled and _is_thin(*_summed(cells, pooled)):
        pooled.add(rest.pop(0))
    alone = [(cell, *cells[cell]) for cell in sorted(set(cells) - pooled)]
    if pooled and not _is_thin(*_summed(cells, pooled)):
        alone.append((_POOLED, *_summed(cells, pooled)))
    return tuple(CellWeight(cell=cell, weight=round(delivered / linked, 4)) for cell, delivered, linked in alone)


def _is_thin(delivered: int, linked: int) -> bool:
    return linked < SMALL or 0 < delivered - linked < SMALL


def _summed(cells: Mapping[str, tuple[int, int]], which: set[str]) -> tuple[int, int]:
    return sum(cells[cell][0] for cell in which), sum(cells[cell][1] for cell in which)


def _passes(view: str, key: Key, engine: Engine) -> tuple[PassCount, ...]:
    counted = engine.collect(
        f"SELECT pass, count(*) AS n FROM {view} WHERE pass IS NOT NULL AND status = 'R' GROUP BY pass", ["pass"]
    ).to_pylist()
    names = [*(f"identifier {column}" for column in key.hashed), *(name for name, _ in PASSES)]
    if key.encoded is not None:
        names = [SIMILAR]
    return tuple(PassCount(name=names[row["pass"] - 1], records=row["n"]) for row in counted)


def _cells(view: str, by: Sequence[str], engine: Engine, suppliers: Sequence[str]) -> dict[str, tuple[int, int]]:
    if not by:
        return {}
    counted = engine.collect(
        f"SELECT {', '.join(by)}, count(*) AS delivered, count(CASE WHEN status = 'R' THEN 1 END) AS linked "
        f"FROM {view} GROUP BY {', '.join(by)}"
    ).to_pylist()
    return {_cell_name(row, by, suppliers): (row["delivered"], row["linked"]) for row in counted}


def _weights_of(weights: Sequence[CellWeight], overall: tuple[int, int]) -> tuple[dict[str, float], float]:
    """By cell, and for cells that were pooled, or have none."""
    own = {found.cell: found.weight for found in weights}
    return own, own.get(_POOLED, overall[0] / overall[1] if overall[1] else 1.0)


def _cell_name(row: Mapping[str, Any], by: Sequence[str], suppliers: Sequence[str]) -> str:
    return ", ".join(f"{name} {suppliers[row[name]] if name == 'supplier' else row[name]}" for name in by)


def _pass_group(found: PassCount) -> Group:
    return Group(by="pass", category=found.name, counts=Counts(matched=found.records or 0, unmatched=0, without=0))


def _masked_balance(cells: tuple[Balance, ...]) -> tuple[Balance, ...]:
    """A category is hidden when its linked or unlinked records are 1–9, and others that would bring them back."""
    made: list[Balance] = []
    for by in dict.fromkeys(cell.by for cell in cells):
        mine = [cell for cell in cells if cell.by == by]
        groups = [
            Group(
                by=by,
                category=c.category,
                counts=Counts(matched=c.linked, unmatched=(c.delivered or 0) - (c.linked or 0), without=0),
            )
            for c in mine
        ]
        for cell, group in zip(mine, mask_groups(groups), strict=True):
            hidden = dict.fromkeys(("delivered", "linked", "rate", "difference"))
            made.append(cell.model_copy(update=hidden) if group.counts.hidden else cell)
    return tuple(made)


def _rates(share: Share) -> Rates:
    return Rates(low=share.low, high=share.high)


def _coarse(rates: Rates) -> Rates:
    """Two decimals, outwards."""
    return Rates(low=math.floor(rates.low * 100) / 100, high=math.ceil(rates.high * 100) / 100)
