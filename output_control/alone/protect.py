"""`zicht protect`: output control on a table alone, from a folder to a pattern, a public table and a report."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import get_args

from enclave.errors import BadInput, CannotProtect
from output_control.alone.empty_cells import NOTE as TOLD_BY_ZEROS
from output_control.alone.empty_cells import told_by_zeros
from output_control.alone.instance import Instance, read_instance
from output_control.alone.out_folder import clear, write
from output_control.alone.policy_file import under_policy
from output_control.alone.protected_table import pattern_csv, table_csv
from output_control.alternatives.alone import compared_ways
from output_control.alternatives.comparison import comparison_document
from output_control.audit import AuditReport, audit
from output_control.outputs import json_bytes
from output_control.protection import CountProtection, Exact, Method, Options, Pattern, Range, Width
from output_control.report.owner import owner_pages
from output_control.suppression import suppress
from output_control.tables.rules import PrimaryResult, Rule

INTERVALS_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Seconds:
    """What each stage took."""

    tabulate: float
    primary: float
    secondary: float
    audit: float


@dataclass(frozen=True, slots=True)
class AuditCounts:
    """How many primaries were audited, and how many failed in each way (all 0, or nothing would be written)."""

    primaries: int
    checked: int
    exact: int
    below_level: int
    singleton_exact: int


@dataclass(frozen=True, slots=True)
class ProtectReport:
    """`report.json`, for the owner of the table only.

    ``suppressed_value`` is the value of all suppressed cells, ``cost`` that of the secondary ones; ``gap`` is the
    share of the cost above the proven bound, or None when no bound was computed. ``notes`` are what else the owner
    should know; they are not in the file.
    """

    cells: int
    primary: int
    secondary: int
    suppressed_value: float
    cost: float
    method: str
    optimal: bool
    gap: float | None
    seconds: Seconds
    audit: AuditCounts
    notes: tuple[str, ...] = field(default=(), kw_only=True)

    def document(self) -> dict[str, object]:
        """What stands in `report.json`."""
        facts = asdict(self)
        del facts["notes"]
        return facts


def parse_count_protection(text: str) -> CountProtection:
    """`exact`, `width:W` (W ≥ 1) or `range`. Raises `BadInput` for anything else."""
    kind, _, width = text.partition(":")
    if kind == "width" and width.isdecimal() and int(width) >= 1:
        return Width(int(width))
    if text == "exact":
        return Exact()
    if text == "range":
        return Range()
    raise BadInput("the count protection is not known", next_step="use exact, width:W (W at least 1) or range")


def protect(
    instance_dir: Path,
    out_dir: Path,
    *,
    policy: Path | None = None,
    count_protection: str | None = None,
    singletons: bool = True,
    method: str = "auto",
    budget: int | None = None,
    threads: int = 1,
    html: bool = False,
    compare: bool = False,
    empty_shown: bool | None = None,
) -> ProtectReport:
    """Protect a table and write `pattern.csv`, `table.csv` and `report.json` (and `protection.html`).

    The page is in English, with the same in Dutch in `protection.nl.html`; ``compare``: the other ways to protect the
    table stand in it and in `comparison.json`, measured with noise from a key that protects nothing.

    ``empty_shown``: whoever reads `table.csv` sees which cells are empty, so a hidden count is at least 1; without it
    the attacker is taken to think that it may be 0, as the peers take it (and a note says when that decides).

    ``policy`` says the count protection (else `exact`), the minimum frequency and that empty cells are shown, and, when
    its confidential part and salt lie beside it, the dominance rules too; a note says what of it does not hold here.
    What an earlier run wrote to ``out_dir`` is removed first; nothing is written unless the audit found every primary
    safe.

    Raises:
        BadInput: a file or parameter does not hold; every fault is named by file, column and row, never by value.
        CannotProtect: no pattern is safe, or the audit could not prove one; names cells, never values.
        StorageFailed: ``out_dir`` cannot be written.
    """
    if policy and (count_protection is not None or empty_shown is False):
        raise BadInput(
            "a policy says how counts are protected, and that empty cells are shown",
            next_step="leave out --policy, or --count-protection and --empty unknown",
        )
    options = _options(
        count_protection or "exact", singletons=singletons, method=method, budget=budget, threads=threads
    )
    clear(out_dir)
    clock = [time.perf_counter()]
    instance = read_instance(instance_dir)
    options = replace(
        options,
        occupied=bool(empty_shown),
        coalition=instance.coalition,
        keep=instance.keep,
        cost=instance.cost,
    )
    rules, options, notes = _held_to(instance, policy, options)
    clock.append(time.perf_counter())
    sensitive = instance.sensitive(rules)
    clock.append(time.perf_counter())
    pattern = suppress(instance.table, sensitive, options=options)
    clock.append(time.perf_counter())
    checked = audit(
        instance.table,
        sensitive,
        pattern,
        options,
        solve_intervals=html and int(sensitive.mask.sum()) <= INTERVALS_SHOWN,
    )
    clock.append(time.perf_counter())
    _must_be_safe(instance, checked)
    stages = [later - earlier for earlier, later in pairwise(clock)]
    notes += (TOLD_BY_ZEROS,) if told_by_zeros(instance.table, sensitive, pattern, options) else ()
    report = _report(instance, sensitive, pattern, checked, Seconds(*(round(s, 4) for s in stages)), notes=notes)
    comparison = compared_ways(instance, sensitive, options, rules) if compare else ()
    files = {
        "pattern.csv": pattern_csv(instance.table, sensitive, pattern),
        "table.csv": table_csv(instance.table, pattern),
        "report.json": (json.dumps(report.document(), indent=2) + "\n").encode(),
    }
    if compare:
        files["comparison.json"] = json_bytes(comparison_document(comparison, confidential=True))
    if html:
        # the pages show which cells are primary and what an attacker sees: the owner's eyes only
        files |= owner_pages(
            instance.name, instance.table, sensitive, pattern, checked, options=options, comparison=comparison
        )
    write(out_dir, files)
    return report


def _options(count_protection: str, *, singletons: bool, method: str, budget: int | None, threads: int) -> Options:
    if method not in get_args(Method):
        raise BadInput(
            f"the method {method!r} is not available",
            next_step="use auto, optimal, flow, gauss or bounded; each ends in the same audit",
        )
    if budget is not None and budget < 1:
        raise BadInput("the budget must be at least 1 LP", next_step="leave it out for no bound")
    return Options(
        count_protection=parse_count_protection(count_protection),
        singletons=singletons,
        method=method,  # type: ignore[arg-type]  # checked just above; mypy does not narrow by get_args
        budget=budget,
        threads=threads,
    )


def _held_to(
    instance: Instance, policy: Path | None, options: Options
) -> tuple[tuple[Rule, ...], Options, tuple[str, ...]]:
    """The rules and options, and notes on the input and on what of a policy holds."""
    rules, notes = instance.rules, instance.notes
    if policy is not None:
        held = under_policy(policy, instance.table, rules, options)
        rules, options, notes = held.rules, held.options, notes + held.notes
    asked = options.singletons and not instance.table.integral
    return rules, options, notes + (instance.about_contributors if asked else ())


def _must_be_safe(instance: Instance, checked: AuditReport) -> None:
    if checked.safe:
        return
    shown = "; ".join(" × ".join(instance.table.labels(int(cell))) for cell in checked.failed[:10])
    raise CannotProtect(
        f"the audit could not prove {len(checked.failed)} sensitive cell(s) safe: {shown}",
        next_step="recode (merge categories), drop a level, or protect with another method; nothing was written",
    )


def _report(
    instance: Instance,
    sensitive: PrimaryResult,
    pattern: Pattern,
    checked: AuditReport,
    seconds: Seconds,
    *,
    notes: tuple[str, ...],
) -> ProtectReport:
    return ProtectReport(
        cells=len(instance.table),
        primary=int(sensitive.mask.sum()),
        secondary=int(pattern.secondary.sum()),
        suppressed_value=float(instance.table.value[pattern.suppressed].sum()),
        cost=pattern.cost,
        method=pattern.method,
        optimal=pattern.optimal,
        gap=pattern.gap,
        seconds=seconds,
        audit=AuditCounts(
            checked.primaries, checked.checked, checked.exact, checked.below_level, checked.singleton_exact
        ),
        notes=notes,
    )
