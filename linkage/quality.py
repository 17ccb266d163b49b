"""The linkage-quality report of delivered data sets: how much, how well, whom it misses, and what to do.

Beside the counts of the linkage report it says how probable the links are, how the linked records differ from all that
were delivered, and by which weights an analysis may make up for records that were not linked. The full report stays in
the key zone. Researchers see no count of 1–9 and none that subtraction would bring back, and nothing of the model.
"""

# ruff: noqa: S608 (statements hold names from checked files and constants, never a value)
from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from enclave.engine import Engine
from enclave.project import Key
from linkage.clerical_review import ClericalReview
from linkage.evidence import MatchEvidence, Share
from linkage.key_totals import KeyTotal, cell_totals, key_total, numeric_columns
from linkage.nonlinkage import Cells, CellWeight, cell_label, cell_weights, weight_of_every_cell
from linkage.report import Counts, Group, KeyReport, mask_groups
from linkage.sources import Source
from linkage.subgroups import SubgroupRates
from linkage.unit_models import model_of

NOTABLE = 0.1
"""Standardised differences beyond this are called imbalance (Austin 2009)."""
SIMILAR = "similar filters"
"""The one pass of keys that are matched by filter."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PassCount(_Record):
    """Records linked in one pass; None: hidden."""

    name: str
    records: int | None


class Balance(_Record):
    """One category among all delivered records and among the linked ones.

    ``rate`` is linked over delivered; ``share`` of all delivered and ``linked_share`` of all linked records are of this
    category. ``difference`` is the standardised difference of the category's share between
    linked and delivered records, (p - q) / sqrt((p(1-p) + q(1-q)) / 2) (Austin 2009, doi:10.1080/03610910902859574).
    Rate and difference are None where only linked records can have a category (the register tells it).
    All None: hidden.
    """

    by: str
    category: str
    delivered: int | None
    linked: int | None
    rate: float | None
    share: float | None
    linked_share: float | None
    difference: float | None


class Rates(_Record):
    """An estimated share (0–1) and its 95 % interval."""

    low: float
    high: float


class KeyQuality(_Record):
    """Quality of one key. ``evidence`` is None in the researchers' version, which has the intervals instead.

    ``threshold``, ``precision`` and ``recall`` are None where records are linked by identifier only: nothing then says
    how often an identifier is another's. ``blocking`` is the recall that the passes allow, ``review`` what clerks say.
    ``population`` has persons where ``balance`` has records, and all of the register where that has the delivered ones.
    """

    data_set: str
    key: str
    threshold: float | None
    precision: Rates | None
    recall: Rates | None
    duplicate_precision: float | None
    passes: tuple[PassCount, ...]
    balance: tuple[Balance, ...]
    weights: tuple[CellWeight, ...]
    totals: tuple[KeyTotal, ...] = ()
    subgroups: tuple[SubgroupRates, ...] = ()
    evidence: MatchEvidence | None = None
    review: ClericalReview | None = None
    population: tuple[Balance, ...] = ()
    blocking: Rates | None = None

    def for_researchers(self) -> KeyQuality:
        """Without the model, small counts hidden."""
        listed = [_pass_group(found) for found in self.passes]
        passes = tuple(
            PassCount(name=group.category, records=None if group.counts.hidden else group.counts.matched)
            for group in mask_groups(listed)
        )
        shown = _masked_balance(self.balance)
        hidden = {(cell.by, cell.category) for cell in shown if cell.delivered is None}
        return self.model_copy(
            update={
                "passes": passes,
                "balance": shown,
                "population": _masked_balance(self.population, hidden),
                "precision": self.precision and _coarse(self.precision),
                "recall": self.recall and _coarse(self.recall),
                "blocking": self.blocking and _coarse(self.blocking),
                "subgroups": tuple(found.for_researchers() for found in self.subgroups),
                "totals": tuple(found.for_researchers() for found in self.totals),
                "duplicate_precision": None if self.duplicate_precision is None else round(self.duplicate_precision, 2),
                "evidence": None,
                "review": self.review and self.review.for_researchers(),
            }
        )


_Labelled = TypeVar("_Labelled", Balance, SubgroupRates)


class QualityReport(_Record):
    """All keys of delivered data sets. ``labels``: breakdown -> code -> what it means, where an office says so."""

    project: str
    keys: tuple[KeyQuality, ...]
    labels: Mapping[str, Mapping[str, str]] = {}

    def labelled(self) -> QualityReport:
        """For people: beside every code its label."""

        def named(cells: Sequence[_Labelled]) -> tuple[_Labelled, ...]:
            labels = [self.labels.get(cell.by, {}).get(cell.category, "") for cell in cells]
            texts = [f"{cell.category} {label}".strip() for cell, label in zip(cells, labels, strict=True)]
            return tuple(cell.model_copy(update={"category": text}) for cell, text in zip(cells, texts, strict=True))

        keys = [
            key.model_copy(
                update={
                    "balance": named(key.balance),
                    "population": named(key.population),
                    "subgroups": named(key.subgroups),
                }
            )
            for key in self.keys
        ]
        return self.model_copy(update={"keys": tuple(keys)})

    def for_researchers(self) -> QualityReport:
        """The report with small counts hidden."""
        return self.model_copy(update={"keys": tuple(key.for_researchers() for key in self.keys)})


def key_quality(
    source: Source,
    key: Key,
    counted: KeyReport,
    cells: Cells,
    evidence: MatchEvidence | None,
    *,
    engine: Engine,
    suppliers: Sequence[str],
    told_by_register: Collection[str] = (),
) -> KeyQuality:
    """The quality of a key, after :func:`linkage.breakdown.groups_of` has counted ``counted``.

    ``evidence``: of a key that was matched by likeness. ``told_by_register``: breakdowns that only linked records have.
    """
    view = f"categories_{source.name}_{key.name}"
    columns = numeric_columns(source, engine)
    totals = {row["cell"]: row for row in cell_totals(view, ["cell"], columns, engine)} if columns else {}
    return KeyQuality(
        data_set=source.name,
        key=key.name,
        threshold=evidence.threshold if evidence else None,
        precision=_rates(evidence.precision) if evidence else None,
        recall=_rates(evidence.recall) if evidence else None,
        blocking=_rates(evidence.blocking) if evidence and evidence.blocking else None,
        duplicate_precision=evidence.duplicate_precision if evidence else None,
        passes=_passes(view, key, engine) if key.is_matched else (),
        balance=balance(counted.groups, told_by_register),
        weights=tuple(
            found.model_copy(update={"cell": cell_label(found.cell, cells.by, suppliers)})
            for found in cell_weights(cells.counts)
        ),
        totals=tuple(
            key_total(column, {cell: row[column] for cell, row in totals.items()}, weight_of_every_cell(cells.counts))
            for column in columns
        ),
        evidence=evidence,
    )


def balance(groups: Sequence[Group], told_by_register: Collection[str] = ()) -> tuple[Balance, ...]:
    """Every category of every breakdown; no rate or difference in those that ``told_by_register`` names."""
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
                rate=round(m / n, 4) if n and by not in told_by_register else None,
                share=round(n / delivered, 4) if delivered else None,
                linked_share=round(m / linked, 4) if linked else None,
                difference=standardised_difference(m / linked, n / delivered)
                if linked and delivered and by not in told_by_register
                else None,
            )
            for category, n, m in mine
        ]
    return tuple(made)


def standardised_difference(p: float, q: float) -> float | None:
    """Of two shares; None when both are 0 or both 1 (nothing varies)."""
    spread = (p * (1 - p) + q * (1 - q)) / 2
    return round((p - q) / math.sqrt(spread), 4) if spread > 0 else (0.0 if p == q else None)


def _passes(view: str, key: Key, engine: Engine) -> tuple[PassCount, ...]:
    counted = engine.collect(
        f"SELECT pass, count(*) AS n FROM {view} WHERE pass IS NOT NULL AND status = 'R' GROUP BY pass", ["pass"]
    ).to_pylist()
    names = [SIMILAR]
    if key.probabilistic is not None:
        names = [
            *(f"identifier {column}" for column in key.hashed),
            *(name for name, _ in model_of(key.matched_kind).passes),
        ]
    return tuple(PassCount(name=names[row["pass"] - 1], records=row["n"]) for row in counted)


def _pass_group(found: PassCount) -> Group:
    return Group(by="pass", category=found.name, counts=Counts(matched=found.records or 0, unmatched=0, without=0))


def _masked_balance(cells: tuple[Balance, ...], also: Collection[tuple[str, str]] = ()) -> tuple[Balance, ...]:
    """A category is hidden when its linked or unlinked records are 1–9, and others that would bring them back.

    ``also``: (breakdown, category) hidden in a count of the same units.
    """
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
        for cell, group in zip(mine, mask_groups(groups, {category for of, category in also if of == by}), strict=True):
            hidden = dict.fromkeys(("delivered", "linked", "rate", "share", "linked_share", "difference"))
            made.append(cell.model_copy(update=hidden) if group.counts.hidden else cell)
    return tuple(made)


def _rates(share: Share) -> Rates:
    return Rates(low=share.low, high=share.high)


def _coarse(rates: Rates) -> Rates:
    """Two decimals, outwards."""
    return Rates(low=math.floor(rates.low * 100) / 100, high=math.ceil(rates.high * 100) / 100)
