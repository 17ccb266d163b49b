"""One table through the gate: tabulated, judged, hidden and audited; or the reasons why it may not leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from enclave.classifications import Classification
from enclave.errors import CannotProtect, Refused
from enclave.requests import TableRequest
from output_control.audit import AuditReport, audit
from output_control.derived import Sources, faults_of_frame
from output_control.evidence import (
    Evidence,
    faults_of_codes,
    faults_of_table,
    shown_dimensions,
    tabulate,
)
from output_control.policy import Policy, TableRules
from output_control.protection import Options, Pattern
from output_control.rules import PrimaryResult, group_disclosure, primary
from output_control.suppression import suppress
from output_control.table import BoolArray, CellTable, cell_keys


@dataclass(frozen=True, slots=True, eq=False)
class ProtectedTable:
    """A table whose pattern the audit found safe, with everything that checkers see."""

    evidence: Evidence
    primary: PrimaryResult
    pattern: Pattern
    report: AuditReport
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class JudgedTable:
    """A tabulated table and what in it may not be published for its own sake; nothing is hidden yet."""

    evidence: Evidence
    primary: PrimaryResult
    advice: tuple[str, ...]


def judge_table(
    request: TableRequest, sources: Sources, classifications: Mapping[str, Classification], policy: Policy
) -> JudgedTable:
    """Tabulate ``request`` and find its sensitive cells.

    Raises:
        Refused: everything that is wrong with the request or its frame, or a group that no suppression hides.
    """
    rules = policy.public.tables
    faults = faults_of_table(request, classifications, rules) + faults_of_frame(request, sources)
    if faults:
        raise reasons(faults)
    shown = shown_dimensions(request, classifications)
    faults = faults_of_codes(request, shown, sources) + _faults_of_groups(request, classifications)
    if faults:
        raise reasons(faults)
    evidence = tabulate(request, shown, sources)
    return JudgedTable(evidence, sensitive_cells(evidence, policy), tuple(advise(evidence, policy)))


def hide(table: CellTable, sensitive: PrimaryResult, options: Options) -> tuple[Pattern, AuditReport]:
    """Hide in one table what the policy asks, as if there were no other.

    Raises:
        Refused: no suppression protects it, or the audit does not find the pattern safe.
    """
    try:
        pattern = suppress(table, sensitive, options=options)
    except CannotProtect as error:
        raise reasons([error.what], error.next_step) from None
    report = audit(table, sensitive, pattern, options)
    if not report.safe or not bool(pattern.suppressed[sensitive.mask].all()):
        raise reasons(["the audit did not find the pattern safe; nothing is released"])
    return pattern, report


def reasons(faults: list[str], next_step: str = "") -> Refused:
    """One refusal that lists everything."""
    return Refused("\n".join(faults), next_step=next_step)


def sensitive_cells(evidence: Evidence, policy: Policy) -> PrimaryResult:
    """Cells that may not be published for their own sake: too few units, a dominant one, or a telling group.

    Raises:
        Refused: a group that lies in one sensitive category as a whole, which no hiding of figures conceals.
    """
    table, request = evidence.table, evidence.request
    result = primary(table, policy.frequency_rule())
    if request.measure is not None or bool((evidence.records != table.n_contributors).any()):
        judged = replace(table, value=evidence.size) if evidence.signed else table
        result = result.also(primary(judged, policy.dominance_rules()))
    for position, shown in enumerate(evidence.shown):
        if shown.classification.sensitive:
            result = result.also(_groups(evidence, position, policy))
    # a level is a distance that the published figure can move: never below 0, whatever the contributions were
    return replace(result, lpl=np.minimum(result.lpl, table.value))


def _groups(evidence: Evidence, position: int, policy: Policy) -> PrimaryResult:
    """Group disclosure judged on distinct units and on records: what is published are records."""
    table, rules = evidence.table, policy.public.tables
    listed = evidence.shown[position].classification
    neutral = [code for code in listed.neutral if code in evidence.shown[position].dimension.index]
    found = [
        group_disclosure(
            replace(table, freq=counted),
            sensitive=position,
            neutral=neutral,
            share=rules.group_share.value,
            n=rules.minimum_frequency.value,
        )
        for counted in (table.freq, evidence.records.astype(np.float64))
    ]
    by_units, by_records = found
    complete = int(by_records.complete.sum())
    if complete:
        raise Refused(
            f"{complete} group(s) lie as a whole in one sensitive category of {listed.name}",
            next_step="show coarser levels, or drop a dimension, so that no group is of one kind",
        )
    everyone = _everyone_once(evidence, position, by_units.complete, rules)
    return by_units.primary.also(by_records.primary).also(everyone)


def _everyone_once(evidence: Evidence, position: int, cells: BoolArray, rules: TableRules) -> PrimaryResult:
    """Categories in which every unit of the group has a record, though some have records elsewhere too.

    Unlike a group that lies in one category as a whole, these are hidden by hiding figures: the others are no zeros.
    """
    table, result = evidence.table, PrimaryResult.none(len(evidence.table))
    to_total = table.codes.copy()
    to_total[:, position] = 0
    total = np.searchsorted(table.keys(), cell_keys(to_total, table.shape))
    result.mask[:] = cells
    most = np.minimum(np.floor(rules.group_share.value * table.freq), table.freq - rules.minimum_frequency.value)
    result.lpl[cells] = (table.freq - np.maximum(most, 0))[cells]
    result.anchor[cells] = total[cells]
    result.reason[cells] = "group"
    return result


def _faults_of_groups(request: TableRequest, classifications: Mapping[str, Classification]) -> list[str]:
    if request.measure is None:
        return []
    return [
        f"a sum by the sensitive classification {dimension.classification} needs a person: ask the output checkers"
        for dimension in request.dimensions
        if classifications[dimension.classification].sensitive
    ]


def advise(evidence: Evidence, policy: Policy) -> list[str]:
    """How the researcher could lose less, judged by the minimum frequency alone: the rest is confidential."""
    rules = policy.public.tables
    small = primary(evidence.table, policy.frequency_rule()).mask
    if small.mean() <= rules.warn_primary_share.value:
        return []
    parts = []
    for position, shown in enumerate(evidence.shown):
        depth = shown.dimension.depth[evidence.table.codes[:, position]]
        shares = [f"{small[depth <= deepest].mean():.0%} down to depth {deepest}" for deepest in range(depth.max() + 1)]
        parts.append(f"{shown.column}: {', '.join(shares)}")
    return [
        f"{small.mean():.0%} of the cells have fewer than {rules.minimum_frequency.value} units: much will be hidden. "
        f"Share by how deep each dimension goes — {'; '.join(parts)}. Ask for coarser levels, fewer dimensions, "
        "merged categories or a longer period"
    ]
