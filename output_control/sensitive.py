"""Which cells of a tabulated request may not be published for their own sake, under a policy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from enclave.errors import Refused
from enclave.requests import TableRequest
from output_control.group_advice import RECORDS, coarser_groups
from output_control.policy import Policy, TableRules
from output_control.statistics.rates import complements
from output_control.tables.evidence import Evidence
from output_control.tables.rules import Groups, MinimumFrequency, PrimaryResult, group_disclosure, primary
from output_control.tables.table import BoolArray, cell_keys


def figure_rule(request: TableRequest, rules: TableRules) -> MinimumFrequency:
    """The minimum frequency of a table: of a mean what a mean needs, since means and counts give the sums."""
    n = rules.minimum_frequency.value
    return MinimumFrequency(max(n, rules.mean_units.value) if request.statistic == "mean" else n)


def sensitive_cells(evidence: Evidence, policy: Policy) -> PrimaryResult:
    """Cells that may not be published for their own sake: too few units, a dominant one, or a telling group.

    Raises:
        Refused: a group that lies in one sensitive category as a whole, which no hiding of figures conceals.
    """
    result = PrimaryResult.none(len(evidence.table))
    for kind in evidence.kinds:
        result = result.also(_sensitive_for(kind, policy))
    return _within_sizes(result, evidence)


def sensitive_sums(evidence: Evidence, policy: Policy) -> PrimaryResult:
    """Which of the cells hold too few units or a dominant one, by any kind of unit; groups are not looked at.

    Of what hidden cells add up to: a sum of cells has no place among the categories of a classification.
    """
    result = PrimaryResult.none(len(evidence.table))
    for kind in evidence.kinds:
        result = result.also(_by_units(kind, policy))
    return _within_sizes(result, evidence)


def _within_sizes(result: PrimaryResult, evidence: Evidence) -> PrimaryResult:
    """A level is a distance that the published figure can move: never further down than the attacker takes it to go."""
    return replace(result, lpl=np.minimum(result.lpl, evidence.table.sizes))


def _by_units(evidence: Evidence, policy: Policy) -> PrimaryResult:
    """By the number of units and the largest of one kind."""
    table, request, rules = evidence.table, evidence.request, policy.public.tables
    # a weight that outdoes all others makes one record of many, so weighted cells count what their weights leave
    counted = np.minimum(table.freq, evidence.effective) if request.weight else table.freq
    # who has nothing adds nothing to a total: neither does he hide who has something, nor may all be told to have none
    counted = np.minimum(counted, np.maximum(evidence.filled, 1))
    result = primary(replace(table, freq=counted), figure_rule(request, rules))
    if evidence.summed or bool((evidence.records != table.n_contributors).any()):
        judged = replace(table, value=evidence.size)
        result = result.also(primary(judged, policy.dominance_rules()).where(~evidence.signed))
        result = result.also(primary(judged, policy.signed_rules()).where(evidence.signed))
    if evidence.beyond is not None:
        result = result.also(primary(evidence.beyond, policy.dominance_rules()))
    return result


def _sensitive_for(evidence: Evidence, policy: Policy) -> PrimaryResult:
    """For one kind of unit."""
    request, rules = evidence.request, policy.public.tables
    result = _by_units(evidence, policy)
    if request.statistic == "rate":
        result = result.also(complements(evidence, rules))
    for position, shown in enumerate(evidence.shown):
        if shown.classification.sensitive:
            result = result.also(_groups(evidence, position, policy))
    return result


def _groups(evidence: Evidence, position: int, policy: Policy) -> PrimaryResult:
    """Group disclosure judged on distinct units and on records: what is published are records."""
    table, rules = evidence.table, policy.public.tables
    listed = evidence.shown[position].classification
    neutral = [code for code in listed.neutral if code in evidence.shown[position].dimension.index]
    each = {evidence.unit: table.freq}
    if bool((evidence.records != table.freq).any()):
        each[RECORDS] = evidence.records.astype(np.float64)
    found = [
        group_disclosure(
            replace(table, freq=counted),
            sensitive=position,
            neutral=neutral,
            share=rules.group_share.value,
            n=rules.minimum_frequency.value,
            counted=name,
        )
        for name, counted in each.items()
    ]
    by_units, by_records = found[0], found[-1]
    if by_records.complete.any() and rules.zeros.value == "tested":
        raise Refused(
            "\n".join(
                [
                    f"a group lies as a whole in one sensitive category of {listed.name}",
                    *coarser_groups(evidence, by_records.whole),
                ]
            ),
            next_step="show coarser levels, or drop a dimension, so that no group is of one kind",
        )
    # structural zeros: everyone knows that the group is in the one category
    everyone = _everyone_once(evidence, position, by_units.complete & ~by_records.complete, rules)
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
    told = Groups.of(np.flatnonzero(cells), total, table.freq, sensitive=position, counted=evidence.unit)
    return replace(result, groups=told)
