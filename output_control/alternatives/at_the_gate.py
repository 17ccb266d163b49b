"""Protecting a tabulated request in the way that it chose, and comparing that with the others the policy allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enclave.errors import CannotProtect, KeyUnavailable
from output_control.alternatives.allowed import AllowedProtection, Coarser, chosen
from output_control.alternatives.altered import AlteredTable
from output_control.alternatives.comparison import (
    Compared,
    Subject,
    alter,
    coarsen,
    compare,
    suppress_subject,
)
from output_control.alternatives.feasible import audit_altered, faults_of_altered
from output_control.alternatives.noise_keys import cell_keys_of
from output_control.audit import AuditReport
from output_control.policy import Policy
from output_control.protection import Pattern, Witnesses
from output_control.tables.derived import Sources
from output_control.tables.evidence import Evidence
from output_control.tables.rules import PrimaryResult
from output_control.unions.judged import judge_of
from output_control.unions.protected import protect_sums
from output_control.unions.sums import Judge, finder

COMPARED_UP_TO = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class Protected:
    """What is hidden (nothing, where figures are altered instead), and what the audit found."""

    pattern: Pattern
    report: AuditReport
    altered: AlteredTable | None
    comparison: tuple[Compared, ...]


def protect_as_chosen(
    evidence: Evidence, sensitive: PrimaryResult, sources: Sources, policy: Policy, *, threads: int
) -> Protected:
    """Apply the request's protection, audit it, and compare (in tables of up to `COMPARED_UP_TO` cells).

    Raises:
        CannotProtect: the method is not allowed, has no solution, or leaves a figure that breaks its own promise.
        KeyUnavailable: it draws noise and the gate has no noise key.
    """
    way, wrong = chosen(evidence.request.protection, policy.protections)
    if wrong:
        raise CannotProtect(wrong, next_step="choose what zicht check lists, or ask the office to allow it")
    subject = _subject(evidence, sensitive, sources, policy, way, threads=threads)
    judge = judge_of(evidence, sources, policy)
    plain = _with_sums(subject, suppress_subject(subject), judge) if way is None else None
    compared: tuple[Compared, ...] = ()
    if policy.protections and len(evidence.table) <= COMPARED_UP_TO:
        compared = compare(subject, _comparable(evidence, policy), plain)
    if way is None or isinstance(way, Coarser):
        pattern, audited = plain or _with_sums(subject, coarsen(subject), judge)
        return Protected(pattern, audited, None, compared)
    if not evidence.table.integral:
        raise CannotProtect(f"{way.method} is for counts", next_step="protect sums by suppression or coarser")
    altered = alter(subject, way, evidence.request.protection.base or 0)
    faults = faults_of_altered(evidence.table, altered)
    if faults:
        raise CannotProtect("; ".join(faults))
    report = audit_altered(evidence.table, sensitive, altered, subject.options)
    return Protected(nothing_hidden(evidence, way.method), report, altered, compared)


def compare_with_others(
    evidence: Evidence,
    sensitive: PrimaryResult,
    sources: Sources,
    policy: Policy,
    found: tuple[Pattern, AuditReport],
    *,
    threads: int,
) -> tuple[Compared, ...]:
    """Suppression as ``found`` and audited, beside the other ways of the policy (up to `COMPARED_UP_TO` cells)."""
    if not policy.protections or len(evidence.table) > COMPARED_UP_TO:
        return ()
    subject = _subject(evidence, sensitive, sources, policy, None, threads=threads)
    return compare(subject, _comparable(evidence, policy), found)


def _with_sums(subject: Subject, pattern: Pattern, judge: Judge | None) -> tuple[Pattern, AuditReport]:
    """The pattern with what sums of hidden cells ask besides."""
    found = finder(subject.table, judge)
    return protect_sums(subject.table, subject.primary, pattern, subject.options, found)


def _comparable(evidence: Evidence, policy: Policy) -> tuple[AllowedProtection, ...]:
    """The ways that this table can be compared under: figures of sums are not altered, and noise needs its key."""
    alterable = evidence.table.integral and bool(policy.noise_key)
    return tuple(way for way in policy.protections if alterable or isinstance(way, Coarser))


def _subject(
    evidence: Evidence,
    sensitive: PrimaryResult,
    sources: Sources,
    policy: Policy,
    way: AllowedProtection | None,
    *,
    threads: int,
) -> Subject:
    table = evidence.table
    keys = np.zeros(len(table), dtype=np.int64)
    altering = way is not None and not isinstance(way, Coarser)
    if altering and not policy.noise_key:
        raise KeyUnavailable("the gate has no noise key", next_step="have the office provision the gate anew")
    if table.integral and policy.noise_key and any(not isinstance(each, Coarser) for each in policy.protections):
        keys = cell_keys_of(evidence, sources, policy.noise_key)
    geographic = [i for i, shown in enumerate(evidence.shown) if shown.classification.geographic]
    return Subject(
        table=table,
        primary=sensitive,
        options=policy.options(threads=threads),
        least_units=policy.public.tables.minimum_frequency.value,
        keys=keys,
        geographic=geographic[0] if geographic else None,
    )


def nothing_hidden(evidence: Evidence, method: str) -> Pattern:
    """The pattern of a table whose figures are altered."""
    nothing = np.zeros(len(evidence.table), dtype=np.bool_)
    return Pattern(nothing, nothing.copy(), Witnesses.none(len(nothing)), 0.0, method, optimal=False, gap=None)
