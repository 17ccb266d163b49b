"""The ways to protect one table side by side: what each loses, and what an attacker is left with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from enclave.errors import CannotProtect
from output_control.alternatives.allowed import AllowedProtection, CellKey, Coarser, Rounding, SmallCountRounding
from output_control.alternatives.altered import AlteredTable
from output_control.alternatives.cell_keys import draws_of, perturb
from output_control.alternatives.coarser import adaptive_margins, area_of, suppress_within
from output_control.alternatives.controlled_rounding import round_controlled
from output_control.alternatives.feasible import audit_altered
from output_control.alternatives.loss import Loss, loss
from output_control.alternatives.perturbation_table import perturbation_table
from output_control.alternatives.small_counts import round_small_counts
from output_control.audit import AuditReport, audit
from output_control.protection import Options, Pattern
from output_control.suppression import suppress
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import CellTable, IntArray


@dataclass(frozen=True, slots=True)
class Compared:
    """One way to protect the table. ``reason`` says why it is not to be had, and is empty when it is.

    ``sensitive`` cells need protection, ``unprotected`` of them fail the audit; ``width`` is the median over the
    sensitive cells of the attacker's interval, as far as it was proven (None without any, or where nothing bounds it).
    ``further``: how much further than its parameters say the method went, which depends on hidden figures.
    """

    method: str
    parameters: str
    additive: bool
    loss: Loss | None
    sensitive: int
    unprotected: int
    width: float | None
    reason: str
    further: str = ""

    @property
    def said(self) -> str:
        """The parameters, and what followed from the figures besides."""
        return self.parameters + self.further

    @property
    def safe(self) -> bool:
        """The audit found every sensitive cell protected."""
        return not self.reason and not self.unprotected


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """The table to protect, with all that the methods need; ``keys`` are its cell keys."""

    table: CellTable
    primary: PrimaryResult
    options: Options
    least_units: int
    keys: IntArray
    geographic: int | None = None


def compare(
    subject: Subject, allowed: Sequence[AllowedProtection], found: tuple[Pattern, AuditReport] | None = None
) -> tuple[Compared, ...]:
    """Suppression (as it was ``found`` and audited, where it was), and every one of ``allowed``, audited, in order."""
    if found is None:
        rows = [_hidden(subject, "suppression", lambda: suppress_subject(subject))]
    else:
        rows = [_row_of_hidden(subject, "suppression", *found)]
    for way in allowed:
        if isinstance(way, Coarser):
            rows.append(_hidden(subject, way.method, lambda: coarsen(subject)))
        elif isinstance(way, CellKey):
            rows.append(_altered(subject, way, 0))
        elif isinstance(way, Rounding | SmallCountRounding):
            rows += [_altered(subject, way, base) for base in way.bases]
    return tuple(rows)


def suppress_subject(subject: Subject) -> Pattern:
    """Suppression under the subject's options."""
    return suppress(subject.table, subject.primary, options=subject.options)


def coarsen(subject: Subject) -> Pattern:
    """The adaptive choice of margins, with suppression of the rest."""
    area = area_of(subject.table, subject.geographic)
    margins = adaptive_margins(subject.table, area, subject.least_units)
    return suppress_within(subject.table, subject.primary, margins, subject.options)


def alter(subject: Subject, way: AllowedProtection, base: int) -> AlteredTable:
    """The table under a method that changes figures; ``base`` for those that round.

    Raises:
        CannotProtect: it is no count table, or the method has no solution for it.
    """
    if isinstance(way, Rounding):
        return round_controlled(subject.table, base, draws_of(subject.keys))
    if isinstance(way, SmallCountRounding):
        return round_small_counts(subject.table, base, draws_of(subject.keys))
    if isinstance(way, CellKey):
        return perturb(subject.table, subject.keys, perturbation_table(way.largest, way.variance, way.withheld))
    raise CannotProtect(f"{way.method} changes no figures")


def _hidden(subject: Subject, method: str, way: Callable[[], Pattern]) -> Compared:
    try:
        pattern = way()
    except CannotProtect as error:
        return _impossible(subject, method, "", error)
    return _row_of_hidden(subject, method, pattern, audit(subject.table, subject.primary, pattern, subject.options))


def _row_of_hidden(subject: Subject, method: str, pattern: Pattern, report: AuditReport) -> Compared:
    lost = loss(subject.table, subject.table.value, pattern.suppressed)
    return _row(method, "", report, lost, additive=True)


def _altered(subject: Subject, way: AllowedProtection, base: int) -> Compared:
    said = way.said(base)
    try:
        altered = alter(subject, way, base)
    except CannotProtect as error:
        return _impossible(subject, way.method, said, error)
    report = audit_altered(subject.table, subject.primary, altered, subject.options)
    nothing = np.zeros(len(subject.table), dtype=np.bool_)
    lost = loss(subject.table, altered.published.astype(np.float64), nothing)
    further = f", up to {int(altered.parameters['steps'])} further" if altered.parameters.get("steps") else ""
    return replace(_row(way.method, said, report, lost, additive=altered.additive), further=further)


def _row(method: str, parameters: str, report: AuditReport, lost: Loss, *, additive: bool) -> Compared:
    width = report.upper - report.lower
    middle = float(np.median(width)) if len(width) else np.inf
    return Compared(
        method=method,
        parameters=parameters,
        additive=additive,
        loss=lost,
        sensitive=report.primaries,
        unprotected=len(report.failed),
        width=middle if np.isfinite(middle) else None,
        reason="",
    )


def _impossible(subject: Subject, method: str, parameters: str, error: CannotProtect) -> Compared:
    # which cells, and how many, stands in ``where``: the reason here is for the researcher too
    sensitive = int(subject.primary.mask.sum())
    return Compared(method, parameters, True, None, sensitive, sensitive, None, error.what)


def comparison_document(rows: Sequence[Compared], *, confidential: bool) -> dict[str, object]:
    """The comparison as a JSON object; the researcher's has no numbers of sensitive cells and no intervals, and of
    losses how many cells are hidden: all others depend on hidden figures, and together single them out."""
    listed = []
    for row in rows:
        lost = row.loss
        said: dict[str, object] = {
            "method": row.method,
            "parameters": row.said if confidential else row.parameters,
            "safe": row.safe,
            "additive": row.additive,
            "reason": row.reason,
            "loss": None if lost is None else _rounded(asdict(lost)) if confidential else _counted(lost),
        }
        if confidential:
            said |= {"sensitive": row.sensitive, "unprotected": row.unprotected, "median_width": row.width}
        listed.append(said)
    return {"methods": listed, "measured_over": "all non-empty cells, totals included; a hidden cell counts as 0"}


def _counted(lost: Loss) -> dict[str, int]:
    return {"cells": lost.cells, "cells_lost": lost.cells_lost}


def _rounded(lost: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in lost.items()}
