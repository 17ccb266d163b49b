"""Precision and recall of matching by likeness, by subgroup: of records with an identifier, linked as if they had none.

The groups are those of the *true* unit in the project's own registers, the supplier, and the municipality of the
delivered address, so that records that were missed have one too.
"""

# ruff: noqa: S608 (statements hold names from checked files and constants, never a value)
from __future__ import annotations

import math

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from enclave.engine import Engine
from linkage.breakdown import Background, place_join, place_terms, register_terms
from linkage.evidence import Share, share_of
from linkage.sources import DELIVERY, RECORD, Source

FEWEST = 100
"""Records of a category, for researchers to see its rates: an interval of fewer tells the counts."""
_SUPPLIER = "supplier"


class SubgroupRates(BaseModel):
    """Of one category: ``precision`` (right of linked), ``recall`` (right of those in the register); None: hidden."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    by: str
    category: str
    precision: Share | None
    recall: Share | None

    def for_researchers(self) -> SubgroupRates:
        """Intervals without counts, and nothing of groups of fewer than :data:`FEWEST` records."""
        return self.model_copy(update={"precision": _coarse(self.precision), "recall": _coarse(self.recall)})


def subgroup_rates(
    labelled: pa.RecordBatchReader, table: str, *, engine: Engine, background: Background, source: Source | None = None
) -> tuple[SubgroupRates, ...]:
    """Rates of every category; ``labelled`` has the columns of :data:`linkage.matches.LABELLED`, ``source`` is the data
    set whose records they are."""
    engine.load(table, labelled)
    places = place_terms(source, background) if source else {}
    joined = f"{table} l"
    if background.persons:
        joined += " LEFT JOIN background_persons p ON l.unit = 'P' || p.RINPERSOON"
    if places and source:
        joined += f" LEFT JOIN keyed_{source.name} k ON l.delivery = k.{DELIVERY} AND l.record = k.{RECORD} "
        joined += place_join(source, engine.dialect)
    made = []
    terms = {_SUPPLIER: "split_part(l.delivery, '/', 1)", **places, **register_terms(background)}
    for by, term in terms.items():
        counted = engine.collect(
            f"SELECT {term} AS category, count(l.unit) AS known, "
            "count(CASE WHEN l.linked THEN 1 END) AS linked, "
            f"count(CASE WHEN l.correct THEN 1 END) AS correct FROM {joined} GROUP BY {term}",
            ["category"],
        ).to_pylist()
        made += [
            SubgroupRates(
                by=by,
                category=row["category"],
                precision=share_of(row["correct"], row["linked"]) if row["linked"] else None,
                recall=share_of(row["correct"], row["known"]) if row["known"] else None,
            )
            for row in counted
        ]
    return tuple(made)


def _coarse(share: Share | None) -> Share | None:
    """Two decimals, outwards, which many counts share."""
    if share is None or share.whole < FEWEST:
        return None
    return Share(part=0, whole=0, low=math.floor(share.low * 100) / 100, high=math.ceil(share.high * 100) / 100)
