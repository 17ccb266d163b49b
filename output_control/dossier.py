"""The files of one checked request: what leaves, the evidence for it, and the annex for checkers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from enclave.errors import Refused
from enclave.requests import OutputRequest, TableRequest
from output_control.alternatives.files import (
    attacker_of,
    how_protected,
    notes_of,
    protection_document,
)
from output_control.drawing.figure import draw
from output_control.group_advice import told_of
from output_control.models.parts import Parts
from output_control.outputs import (
    OutputColumn,
    annex_columns,
    csv_bytes,
    csvw_bytes,
    json_bytes,
)
from output_control.policy import TableRules
from output_control.report.contents import EarlierFinding
from output_control.report.files import protection_files
from output_control.report.grounds import Grounds
from output_control.statistics.statistic_columns import hidden_rows, statistic_columns
from output_control.table_check import ProtectedTable
from output_control.wishes import wish_document, wish_in_words


@dataclass(frozen=True, slots=True)
class Dossier:
    """Files by path: ``outputs`` and ``evidence`` may leave, ``annex`` never does.

    ``advice`` and the files of ``researcher`` are for who asked, and stay inside.
    """

    outputs: Mapping[str, bytes]
    evidence: Mapping[str, bytes]
    annex: Mapping[str, bytes]
    advice: tuple[str, ...] = ()
    researcher: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What one request gave, before it becomes files; ``document`` is the evidence that may leave.

    ``parts`` are the groups of records that it gives figures of beside those of all; ``levels`` those of
    single columns. ``grounds``: what the report of a model or a distribution shows (a table's is among the files).
    """

    request: OutputRequest
    columns: Sequence[OutputColumn]
    key: Sequence[str]
    document: Mapping[str, object]
    annex: Mapping[str, bytes]
    advice: tuple[str, ...] = ()
    researcher: Mapping[str, bytes] = field(default_factory=dict)
    parts: Parts | None = None
    levels: tuple[Parts, ...] = ()
    grounds: Grounds | None = None


def table_contents(
    protected: ProtectedTable,
    rules: TableRules,
    *,
    earlier: tuple[EarlierFinding, ...] = (),
    for_author: tuple[EarlierFinding, ...] = (),
) -> Contents:
    """The table as CSV, counts of its cells as evidence, and per cell what the gate saw as annex.

    ``earlier``: what the ledger found, for checkers' report; ``for_author``: as much of it as the author may see.
    """
    evidence, pattern = protected.evidence, protected.pattern
    request = evidence.request
    columns = statistic_columns(protected, rules)
    cells, hidden = int(np.prod(evidence.table.shape, dtype=np.int64)), int(pattern.suppressed.sum())
    zeros = cells - (
        len(evidence.table) if protected.altered is None else np.count_nonzero(protected.altered.published)
    )
    document = {
        "cells": {
            "all": cells,
            "published": cells - hidden,
            "published_zero": int(zeros),
            "suppressed": hidden,
        },
        "figures": {"statistic": request.statistic, "rows": len(columns[0].values), "suppressed": hidden_rows(columns)},
        "dimensions": {shown.column: list(shown.levels) for shown in evidence.shown},
        "checks": [
            "records unique, with unit, within the population",
            "codes from the classifications, no area finer than the policy allows",
            "minimum frequency on distinct units",
            "dominance",
            "group disclosure",
            how_protected(protected.altered),
            *_further_checks(protected),
        ],
        "protection": protection_document(request, protected.altered),
        "audit": {"passed": True, "attacker": attacker_of(protected.altered)},
        "notes": notes_of(request, protected.altered),
    }
    key = [shown.column for shown in evidence.shown if shown.column in {column.name for column in columns}]
    digits = rules.figure_digits.value
    annex = {
        **_table_annex(protected),
        **_wish_annex(request),
        **protection_files(protected, confidential=True, digits=digits, earlier=earlier),
    }
    own = protection_files(protected, confidential=False, digits=digits, earlier=for_author)
    return Contents(request, columns, key, document, annex, protected.advice, own)


def _wish_annex(request: TableRequest) -> dict[str, bytes]:
    return {f"{request.name}.wish.json": json_bytes(wish_document(request))} if wish_in_words(request) else {}


def _further_checks(protected: ProtectedTable) -> list[str]:
    checks = [f"every cell for each of the units {', '.join(kind.unit for kind in protected.evidence.kinds)}"]
    checks += ["sums and counts protected together"] if protected.counts else []
    checks += ["derived figures hidden with every count in them, and undone"] if protected.rates else []
    checks += ["units on either side of each percentile"] if protected.percentiles else []
    checks += [f"counts rounded to {protected.base}, intervals from rounded figures"] if protected.base > 1 else []
    return checks


def _table_annex(protected: ProtectedTable) -> dict[str, bytes]:
    table, sensitive, pattern = protected.evidence.table, protected.primary, protected.pattern
    status = np.where(sensitive.mask, "primary", np.where(pattern.suppressed, "secondary", "published"))
    if protected.altered is not None:
        status = np.where(sensitive.mask, "sensitive", "published")
    lower, upper = np.full(len(table), np.nan), np.full(len(table), np.nan)
    cells = np.flatnonzero(sensitive.mask)
    lower[cells], upper[cells] = protected.report.lower, protected.report.upper
    upper[np.isinf(upper)] = np.nan
    columns = annex_columns(protected.evidence, status.tolist(), sensitive.reason.tolist(), lower, upper)
    if len(sensitive.groups):
        columns.append(OutputColumn("group", "string", {}, pa.array(told_of(table, sensitive.groups), pa.string())))
    if protected.altered is not None:
        columns.append(OutputColumn("shown", "number", {}, pa.array(protected.altered.published)))
    report = protected.report
    summary = {
        "cells": len(table),
        "primary": int(sensitive.mask.sum()),
        "secondary": int(pattern.secondary.sum()),
        "suppressed_value": float(table.sizes[pattern.suppressed].sum()),
        "method": pattern.method,
        "audit": {
            "primaries": report.primaries,
            "checked": report.checked,
            "exact": report.exact,
            "below_level": report.below_level,
            "singleton_exact": report.singleton_exact,
            "intervals": "exact" if report.intervals_exact else "at least this wide",
        },
        "advice": list(protected.advice),
    }
    name = protected.evidence.request.name
    return {f"{name}.cells.csv": csv_bytes(columns), f"{name}.json": json_bytes(summary)}


def dossier(analysis: str, version: int, contents: Contents) -> Dossier:
    """The files, by their path in a bundle (the annex: by its path in the review folder)."""
    request = contents.request
    folder, name = f"outputs/{analysis}", request.name
    common = {
        "analysis": analysis,
        "version": version,
        "request": name,
        "kind": request.kind,
        "title": request.title,
        "derivation": request.derivation,
        "population": request.population.model_dump(mode="json"),
        "record": [request.record, *([request.period] if request.period else [])],
        "protected_unit": request.unit,
    }
    figure = {f"{folder}/{name}.svg": _drawn(contents)} if request.figure else {}
    description = f"Analysis {analysis} version {version}; protected unit {request.unit}; population " + (
        request.population.dataset
    )
    return Dossier(
        outputs={
            f"{folder}/{name}.csv": csv_bytes(contents.columns),
            f"{folder}/{name}.csv-metadata.json": csvw_bytes(
                f"{name}.csv", request.title, description, contents.columns, contents.key
            ),
            **figure,
        },
        evidence={f"evidence/{analysis}/{name}.json": json_bytes({**common, **contents.document})},
        annex={f"annex/{analysis}/{file}": content for file, content in contents.annex.items()},
        advice=contents.advice,
        researcher={f"{analysis}/{file}": content for file, content in contents.researcher.items()},
    )


def _drawn(contents: Contents) -> bytes:
    request = contents.request
    if request.figure is None:
        raise Refused("there is no figure to draw")
    return draw(request.name, request.title, request.figure, contents.columns)
