"""One table through the gate: tabulated, judged, hidden and audited; or the reasons why it may not leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from enclave.classifications import Classification
from enclave.errors import CannotProtect, Refused
from enclave.requests import OutputRequest, TableRequest
from output_control.advice import advise
from output_control.alternatives.allowed import chosen
from output_control.alternatives.altered import AlteredTable
from output_control.alternatives.at_the_gate import compare_with_others, protect_as_chosen
from output_control.alternatives.comparison import Compared
from output_control.audit import AuditReport, audit
from output_control.group_advice import advise_on_groups
from output_control.ledger.sight import Sight
from output_control.pattern_advice import advise_by_pattern
from output_control.policy import Policy
from output_control.protection import Options, Pattern, as_parts
from output_control.rounded import audit_rounded, protect_by_rounding
from output_control.sensitive import sensitive_cells
from output_control.statistics.percentiles import Percentiles, percentiles
from output_control.statistics.rate_audit import unsupported
from output_control.statistics.rates import RateTable, exposed_by_rates, rate_table
from output_control.statistics.two_values import (
    COUNT_INSTEAD,
    FROM_0,
    begins_far_from_0,
    counts_in_disguise,
    far_from_0,
    has_two_values,
)
from output_control.suppression import suppress
from output_control.tables.derived import Sources, faults_of_frame, units_of
from output_control.tables.evidence import (
    Evidence,
    faults_of_codes,
    faults_of_table,
    shown_dimensions,
    tabulate,
)
from output_control.tables.linked_counts import attached_counts, protect_both, protect_kinds
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import CellTable
from output_control.union_audit import sums_given_away
from output_control.unions.judged import judge_of
from output_control.unions.protected import protect_sums
from output_control.unions.sums import Find
from output_control.wishes import CANNOT_STAY, FEWER, faults_of_wish, wished

NOT_SAFE = "the audit did not find the pattern safe; nothing is released"


@dataclass(frozen=True, slots=True, eq=False)
class ProtectedTable:
    """A table whose pattern the audit found safe, with everything that checkers see.

    ``counts`` is the attached table of counts of a sum or a mean, over the same cells and with the same ones hidden;
    ``rates`` and ``percentiles`` are what those statistics publish besides. ``base``: counts leave rounded to it.
    ``altered``: what is published where figures were changed instead of hidden; ``pattern`` then hides nothing.
    ``sight``: where other tables were in the audit, so that ``report`` says more than this table alone would, what an
    attacker of all of them sees. ``gap``: as in `JudgedTable`.
    """

    evidence: Evidence
    primary: PrimaryResult
    pattern: Pattern
    report: AuditReport
    advice: tuple[str, ...]
    base: int = 1
    counts: Evidence | None = None
    rates: RateTable | None = None
    percentiles: Percentiles | None = None
    altered: AlteredTable | None = None
    comparison: tuple[Compared, ...] = ()
    least_units: int = 0
    sight: Sight | None = None
    gap: int = 100


@dataclass(frozen=True, slots=True, eq=False)
class JudgedTable:
    """A tabulated table and what in it may not be published for its own sake; nothing is hidden yet.

    ``counts`` (of a sum or a mean) is the attached table of counts, ``of_counts`` what may not be published of it.
    ``alone``: a table that cannot be held against others cell by cell, and so is protected by itself already.
    ``gap``: of a percentile, how many percent of the records lie between it and the nearest one asked for besides.
    """

    asked: OutputRequest
    evidence: Evidence
    primary: PrimaryResult
    advice: tuple[str, ...]
    counts: Evidence | None = None
    of_counts: PrimaryResult | None = None
    alone: ProtectedTable | None = None
    gap: int = 100


def held_together(request: TableRequest, policy: Policy) -> bool:
    """Whether ``request`` can be protected together with other tables: exact figures of one kind of unit, unweighted.

    What a mean, a rate and a percentile publish besides follows from the cells that are shown of their sums and counts.
    """
    rounds = (policy.public.tables.count_rounding.value.base or 1) > 1
    return not (rounds or request.weight or len(units_of(request)) > 1 or request.protection.method != "suppression")


def judge_table(
    request: TableRequest,
    sources: Sources,
    classifications: Mapping[str, Classification],
    policy: Policy,
    *,
    gap: int = 100,
    threads: int = 1,
) -> JudgedTable:
    """Tabulate ``request`` and find its sensitive cells; where it is not `held_together` with others, protect it too.

    Raises:
        Refused: everything that is wrong with the request or its frame, a group that no suppression hides, or no safe
            pattern of a table that is protected alone.
    """
    rules = policy.public.tables
    faults = faults_of_table(request, classifications, rules) + faults_of_frame(request, sources)
    if faults:
        raise reasons(faults)
    shown = shown_dimensions(request, classifications)
    faults = faults_of_codes(request, shown, sources) + _faults_of_groups(request, classifications)
    faults += faults_of_wish(request, shown, plain=held_together(request, policy))
    if faults:
        raise reasons(faults)
    if request.measure is not None and has_two_values(request, request.measure, sources, rules):
        raise reasons([counts_in_disguise(request.measure)], COUNT_INSTEAD)
    if request.statistic in {"sum", "mean"} and begins_far_from_0(request, str(request.measure), sources, rules):
        raise reasons([far_from_0(str(request.measure))], FROM_0)
    evidence = tabulate(request, shown, sources, weights=rules.weights.value)
    sensitive = sensitive_cells(evidence, policy)
    advice = (*advise(evidence, policy), *advise_on_groups(evidence, sensitive.groups))
    if not held_together(request, policy):
        alone = _protect_alone(evidence, sensitive, sources, policy, advice=advice, threads=threads)
        return JudgedTable(request, evidence, sensitive, advice, alone=replace(alone, gap=gap))
    _must_be_able_to_stay(evidence, sensitive)
    wrong = chosen(request.protection, policy.protections)[1]
    if wrong:
        raise reasons([wrong])
    if request.statistic in {"sum", "mean"}:
        counts = attached_counts(evidence, sources, rules.weights.value)
        of_counts = sensitive_cells(counts, policy)
        _must_be_able_to_stay(counts, of_counts)
        return JudgedTable(request, evidence, sensitive, advice, counts, of_counts)
    return JudgedTable(request, evidence, sensitive, advice, gap=gap)


def _must_be_able_to_stay(evidence: Evidence, sensitive: PrimaryResult) -> None:
    """Refuse to keep a sensitive cell, in the words that also say that one is needed to hide another: a researcher
    may not learn which rule finds what."""
    kept = wished(evidence.request, evidence.table, evidence.shown)[0]
    if kept is not None and bool((kept & sensitive.mask).any()):
        raise reasons([CANNOT_STAY], FEWER)


def hide(
    table: CellTable, sensitive: PrimaryResult, options: Options, find: Find | None = None
) -> tuple[Pattern, AuditReport]:
    """Hide in one table what the policy asks, as if there were no other; and what sums of hidden cells it is to
    ``find`` ask besides.

    Raises:
        Refused: no suppression protects it, or the audit does not find the pattern safe.
    """
    try:
        pattern = suppress(table, sensitive, options=options)
        pattern, report = protect_sums(table, sensitive, pattern, options, find)
    except CannotProtect as error:
        raise reasons([error.what], error.next_step) from None
    return pattern, _safe(report, sensitive, pattern)


def audited(table: CellTable, sensitive: PrimaryResult, pattern: Pattern, options: Options) -> AuditReport:
    """The audit of a pattern that is safe.

    Raises:
        Refused: it is not.
    """
    return _safe(audit(table, sensitive, pattern, options), sensitive, pattern)


def _safe(report: AuditReport, sensitive: PrimaryResult, pattern: Pattern) -> AuditReport:
    """The report, if it finds the pattern safe. Raises `Refused` if not."""
    if not report.safe or not bool(pattern.suppressed[sensitive.mask].all()):
        raise reasons([NOT_SAFE])
    return report


def protected_beside(
    judged: JudgedTable,
    pattern: Pattern,
    report: AuditReport,
    sources: Sources,
    policy: Policy,
    *,
    sight: Sight | None,
    threads: int = 1,
) -> ProtectedTable:
    """A judged table under a pattern that was found for it and others together, with the figures that follow.

    Raises:
        Refused: a derived figure would give a hidden count back.
    """
    found = ProtectedTable(
        judged.evidence, judged.primary, pattern, report, judged.advice, counts=judged.counts, sight=sight,
        gap=judged.gap,
    )  # fmt: skip
    if judged.counts is None:
        compared = compare_with_others(
            judged.evidence, judged.primary, sources, policy, (pattern, report), threads=threads
        )
        least = policy.public.tables.minimum_frequency.value
        found = replace(found, comparison=compared, least_units=least)
    _must_give_no_sum_away(found, sources, policy)
    return _with_figures(_advised(found, policy), sources, policy)


def _must_give_no_sum_away(found: ProtectedTable, sources: Sources, policy: Policy) -> None:
    """Refuse a pattern that lets everyone add hidden cells up to what the policy finds sensitive."""
    tables = [] if found.altered is not None else [found.evidence, *([found.counts] if found.counts else [])]
    if any(sums_given_away(each, found.pattern.suppressed, sources, policy) for each in tables):
        raise reasons([NOT_SAFE])


def _advised(protected: ProtectedTable, policy: Policy) -> ProtectedTable:
    """With what its author could ask for instead, as far as the pattern itself shows it."""
    if protected.altered is not None:
        return protected
    minimum = policy.public.tables.minimum_frequency.value
    lines = advise_by_pattern(protected.evidence, protected.pattern.suppressed, minimum, exact=protected.base == 1)
    return replace(protected, advice=(*protected.advice, *lines))


def _protect_alone(
    evidence: Evidence,
    sensitive: PrimaryResult,
    sources: Sources,
    policy: Policy,
    *,
    advice: tuple[str, ...],
    threads: int,
) -> ProtectedTable:
    """Figures that are rounded, altered, weighted or coarser, or of several kinds of unit: the table by itself."""
    try:
        protected = _protected(evidence, sensitive, sources, policy, threads)
    except CannotProtect as error:
        raise reasons([error.what, *advice], error.next_step) from None
    hidden = protected.altered is not None or bool(protected.pattern.suppressed[protected.primary.mask].all())
    if not protected.report.safe or not hidden:
        raise reasons([*_unsafe(evidence.request, protected.altered, protected.comparison), *advice])
    if protected.base == 1 or protected.counts is not None:
        _must_give_no_sum_away(protected, sources, policy)
    return _with_figures(_advised(replace(protected, advice=advice), policy), sources, policy)


def _protected(
    evidence: Evidence, sensitive: PrimaryResult, sources: Sources, policy: Policy, threads: int
) -> ProtectedTable:
    """The pattern of the table, or of a sum or a mean and its counts together, and what the audit says of it."""
    rules = policy.public.tables
    base = rules.count_rounding.value.base or 1
    request, options = evidence.request, policy.options(threads=threads)
    other = request.protection.method != "suppression"
    if other and (request.statistic != "count" or request.weight or base > 1 or len(evidence.kinds) > 1):
        raise CannotProtect(
            f"{request.protection.method} is for plain counts of one kind of unit, under a policy that does not round",
            next_step="protect this table by suppression",
        )
    if request.statistic in {"sum", "mean"}:
        counts = attached_counts(evidence, sources, rules.weights.value)
        judges = judge_of(evidence, sources, policy), judge_of(counts, sources, policy)
        pattern, report = protect_both(
            evidence, sensitive, counts, sensitive_cells(counts, policy), options, judges=judges
        )
        return ProtectedTable(evidence, sensitive, pattern, report, (), base, counts)
    base = base if evidence.table.integral else 1
    # rounding hides nothing besides, and its audit knows of nobody's part
    alone = base > 1 and all(as_parts(kind.table, options) is None for kind in evidence.kinds)
    rounded = protect_by_rounding(evidence.table, sensitive, options, base) if alone else None
    if rounded is not None:
        report = audit_rounded(evidence.table, sensitive, rounded, options, base)
        return ProtectedTable(evidence, sensitive, rounded, report, (), base)
    done = protect_as_chosen(evidence, sensitive, sources, policy, threads=threads)
    pattern, report = done.pattern, done.report
    if evidence.also:
        pattern, report = protect_kinds(evidence, sensitive, options, judge_of(evidence, sources, policy))
    return ProtectedTable(
        evidence,
        sensitive,
        pattern,
        report,
        (),
        base,
        altered=done.altered,
        comparison=done.comparison,
        least_units=rules.minimum_frequency.value,
    )


def _with_figures(protected: ProtectedTable, sources: Sources, policy: Policy) -> ProtectedTable:
    """Rates and percentiles of a protected table; figures that would give a hidden count back are an error of ours."""
    evidence, rules = protected.evidence, policy.public.tables
    request = evidence.request
    if request.statistic == "rate":
        rates = rate_table(evidence, protected.pattern.suppressed, rules)
        exposed = np.union1d(
            exposed_by_rates(evidence, protected.pattern.suppressed, rules, rates),
            unsupported(evidence, protected.pattern.suppressed, rules, rates.figures),
        )
        if len(exposed):
            raise reasons(["derived figures would give a hidden count back; nothing is released"])
        return replace(protected, rates=rates)
    if request.statistic in {"median", "percentile"}:
        return replace(
            protected,
            percentiles=Percentiles.fewest_of(
                [percentiles(request, evidence.shown, sources, kind.unit) for kind in evidence.kinds]
            ),
        )
    return protected


def _unsafe(request: TableRequest, altered: AlteredTable | None, compared: tuple[Compared, ...]) -> list[str]:
    if altered is None:
        return [NOT_SAFE]
    said = f"{request.protection.method} ({altered.said}) leaves figures that an attacker can narrow down too far"
    safe = [" ".join(filter(None, (row.method, row.parameters))) for row in compared if row.safe]
    return [said, f"safe for this table under the policy: {', '.join(safe)}"] if safe else [said]


def reasons(faults: list[str], next_step: str = "") -> Refused:
    """One refusal that lists everything."""
    return Refused("\n".join(faults), next_step=next_step)


def _faults_of_groups(request: TableRequest, classifications: Mapping[str, Classification]) -> list[str]:
    if request.measure is None:
        return []
    return [
        f"a {request.statistic} by the sensitive classification {dimension.classification} needs a person: ask the "
        "output checkers"
        for dimension in request.dimensions
        if classifications[dimension.classification].sensitive
    ]
