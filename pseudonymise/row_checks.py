"""The checks of a delivery's rows, over typed columns: which rows fail which check, and nothing else.

The same code runs at the municipality and in the enclave. It works on whole columns with Arrow and numpy, so that the
supplier's side needs no statistics library; what it finds are places of rows and names of checks, never a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudonymise.conversion import FORM_CODES, Bools, Converted
from pseudonymise.quarantine import Defect
from pseudonymise.schemas import ColumnSpec, DeliverySchema, PeriodCheck

JOIN = "+"
DEFECT_OF_FORM = {code: defect for defect, code in FORM_CODES.items()}


@dataclass(frozen=True, slots=True)
class Failure:
    """Rows (places in the batch, ascending) that fail for one reason, ``column:defect``."""

    rows: npt.NDArray[np.int64]
    reason: str


def failures(
    schema: DeliverySchema, years: tuple[int, int], typed: pa.Table, converted: Mapping[str, Converted]
) -> list[Failure]:
    """Every check of every column and row; by reason, sorted. ``years``: the first and last of the period."""
    found = [
        Failure(np.flatnonzero(wrong), f"{place}:{defect.value}")
        for place, defect, wrong in (
            *_of_columns(schema, typed, converted),
            *_of_rows(schema, years, typed, converted),
        )
    ]
    return sorted(_merged(failure for failure in found if len(failure.rows)), key=lambda failure: failure.reason)


def _merged(found: Iterator[Failure]) -> Iterator[Failure]:
    """One failure per reason: a column may be missing by itself and because of another one."""
    by_reason: dict[str, list[npt.NDArray[np.int64]]] = {}
    for failure in found:
        by_reason.setdefault(failure.reason, []).append(failure.rows)
    for reason, rows in by_reason.items():
        yield Failure(np.unique(np.concatenate(rows)), reason)


def _of_columns(
    schema: DeliverySchema, typed: pa.Table, converted: Mapping[str, Converted]
) -> Iterator[tuple[str, Defect, Bools]]:
    for spec in schema.columns:
        form = converted[spec.name].form
        for code in np.flatnonzero(np.bincount(form)).tolist():
            if code:
                yield spec.name, DEFECT_OF_FORM[code], form == code
        for defect, wrong in _of_values(spec, typed.column(spec.name)):
            yield spec.name, defect, wrong


def _of_values(spec: ColumnSpec, values: Any) -> Iterator[tuple[Defect, Bools]]:
    """Null is no value, and breaks no rule about values."""
    if spec.codes:
        yield Defect.NOT_IN_LIST, _broken(pc.is_in(values, pa.array(list(spec.codes))), values)
    if spec.minimum is not None:
        low = pc.greater_equal(values, pa.scalar(spec.minimum, pa.float64()))
        yield Defect.OUT_OF_RANGE, _broken(low, values)
    if spec.maximum is not None:
        high = pc.less_equal(values, pa.scalar(spec.maximum, pa.float64()))
        yield Defect.OUT_OF_RANGE, _broken(high, values)
    if spec.pattern:
        whole = rf"\A(?:{spec.pattern})\z"
        yield Defect.PATTERN, _broken(pc.match_substring_regex(values, whole), values)


def _broken(holds: Any, values: Any) -> Bools:
    return _mask(pc.and_(pc.is_valid(values), pc.invert(pc.fill_null(holds, False))))


def _of_rows(
    schema: DeliverySchema, years: tuple[int, int], typed: pa.Table, converted: Mapping[str, Converted]
) -> Iterator[tuple[str, Defect, Bools]]:
    rules = schema.rules
    filled = {name: _mask(pc.is_valid(typed.column(name))) for name in schema.names}
    # an identifier that does not hold its form has a fault of its own: it counts as filled here
    said = {name: filled[name] | (converted[name].form != 0) for name in schema.names}
    for group in rules.any_of:
        yield JOIN.join(group), Defect.NONE_FILLED, ~np.logical_or.reduce([said[name] for name in group])
    for first, second in rules.in_order:
        ordered = pc.fill_null(pc.less_equal(typed.column(first), typed.column(second)), True)
        yield f"{first}{JOIN}{second}", Defect.WRONG_ORDER, ~_mask(ordered)
    for rule in rules.required_if:
        concerned = _mask(pc.fill_null(pc.equal(typed.column(rule.column), rule.code), False))
        yield rule.then, Defect.MISSING, concerned & ~said[rule.then]
    if rules.period is not None:
        inside = _in_period(typed.column(rules.period.column), rules.period, years)
        yield rules.period.column, Defect.OTHER_PERIOD, filled[rules.period.column] & ~inside


def _in_period(values: Any, rule: PeriodCheck, years: tuple[int, int]) -> Bools:
    """Dates are yyyymmdd; a column of numbers holds years."""
    if values.type == pa.string():
        values = pc.utf8_slice_codeunits(values, 0, 4).cast(pa.float64())
    first, last = years[0] - rule.years_before, years[1]
    inside = pc.and_(pc.greater_equal(values, first), pc.less_equal(values, last))
    return _mask(pc.fill_null(inside, False))


def _mask(values: Any) -> Bools:
    found: Bools = values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy()
    return found.astype(np.bool_)
