"""The checks of a delivery's rows: form, code lists, ranges, patterns, and the rules between columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from enclave.house_numbers import house_numbers
from enclave.identifier_forms import mask, matches
from enclave.identifiers import byte_view, fixed_width
from pseudonymise.conversion import Converted
from pseudonymise.quarantine import FORM_CODES, Defect
from pseudonymise.schemas import ColumnSpec, DeliverySchema
from pseudonymise.written import years_allowed

JOIN = "+"
Bools: TypeAlias = NDArray[np.bool_]
Failure: TypeAlias = tuple[NDArray[np.int64], str]
"""Places in the batch, ascending, and the reason ``column:defect``."""


def failures_of(
    converted: Mapping[str, Converted], schema: DeliverySchema, years: tuple[int, int] | None
) -> list[Failure]:
    """Rows per reason, sorted by reason."""
    found: dict[str, list[Bools]] = defaultdict(list)
    for spec in schema.columns:
        for defect, rows in (*_form(converted[spec.name]), *_value(spec, converted[spec.name])):
            found[f"{spec.name}:{defect.value}"].append(rows)
    for reason, rows in _rules(converted, schema, years):
        if rows.any():
            found[reason].append(rows)
    return [(np.flatnonzero(np.logical_or.reduce(rows)), reason) for reason, rows in sorted(found.items())]


def _form(column: Converted) -> Iterator[tuple[Defect, Bools]]:
    if column.form.any():
        for defect, code in FORM_CODES.items():
            rows = column.form == code
            if rows.any():
                yield defect, rows


def _value(spec: ColumnSpec, column: Converted) -> Iterator[tuple[Defect, Bools]]:
    """Checks of single values; where there is none, nothing is checked."""
    if spec.codes:
        known = _known(spec.codes, column.values)
        if not known.all():
            yield from _if_any(Defect.NOT_IN_LIST, ~known & _filled(column))
    if (spec.minimum, spec.maximum) != (None, None):
        numbers = pc.fill_null(column.values, spec.minimum if spec.minimum is not None else spec.maximum)
        numbers = numbers.to_numpy(zero_copy_only=False)
        low = -np.inf if spec.minimum is None else spec.minimum
        high = np.inf if spec.maximum is None else spec.maximum
        yield from _if_any(Defect.OUT_OF_RANGE, ~((numbers >= low) & (numbers <= high)))
    if spec.kind == "house_number":
        yield from _if_any(Defect.PATTERN, ~_numbered(column.values) & _filled(column))
    if spec.pattern:
        yield from _if_any(Defect.PATTERN, ~_whole(spec.pattern, column.values) & _filled(column))


def _numbered(values: Any) -> Bools:
    """Which values hold a house number; an odd addition is no reason to set a record aside."""
    return mask(pc.is_valid(house_numbers(values, pa.nulls(len(values), pa.string())).number))


def _known(codes: Iterable[str], values: Any) -> Bools:
    """Which values are one of the codes; codes of one byte each are looked up in a table."""
    listed = [code.encode() for code in codes]
    if max(map(len, listed)) == 1:
        starts, lengths, data = byte_view(values)
        if bool((lengths == 1).all()):
            flags = np.zeros(256, dtype=np.bool_)
            flags[[code[0] for code in listed if code]] = True
            known: Bools = flags[data[starts]]
            return known
    return mask(pc.is_in(values, pa.array(listed, pa.binary()).cast(pa.string())))


def _whole(pattern: str, values: Any) -> Bools:
    """Which values match the pattern as a whole; each different value is looked at once."""
    coded = values.dictionary_encode()
    fitting = matches(coded.dictionary, rf"\A(?:{pattern})\z")
    if not len(fitting):
        return np.zeros(len(values), dtype=np.bool_)
    whole: Bools = fitting[pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False)]
    return whole


def _if_any(defect: Defect, rows: Bools) -> Iterator[tuple[Defect, Bools]]:
    if rows.any():
        yield defect, rows


def _filled(column: Converted) -> Bools:
    found: Bools = column.values.is_valid().to_numpy(zero_copy_only=False)
    return found


def _answered(column: Converted) -> Bools:
    """An identifier that does not hold its form has a fault of its own: it counts as filled here."""
    answered: Bools = _filled(column) | (column.form != 0)
    return answered


def _rules(
    converted: Mapping[str, Converted], schema: DeliverySchema, years: tuple[int, int] | None
) -> Iterator[tuple[str, Bools]]:
    rules = schema.rules
    for group in rules.any_of:
        none = ~np.logical_or.reduce([_answered(converted[name]) for name in group])
        yield f"{JOIN.join(group)}:{Defect.NONE_FILLED.value}", none
    for first, second in rules.in_order:
        later = mask(pc.greater(converted[first].values, converted[second].values))
        yield f"{first}{JOIN}{second}:{Defect.WRONG_ORDER.value}", later
    for rule in rules.required_if:
        concerned = mask(pc.equal(converted[rule.column].values, rule.code))
        yield f"{rule.then}:{Defect.MISSING.value}", concerned & ~_answered(converted[rule.then])
    if rules.period is not None and years is not None:
        outside = _outside(converted[rules.period.column], years_allowed(schema, years))
        yield f"{rules.period.column}:{Defect.OTHER_PERIOD.value}", outside


def _outside(column: Converted, years: tuple[int, int]) -> Bools:
    """Years, or dates as yyyymmdd, that lie outside ``years``; null lies in none."""
    filled = _filled(column)
    found = np.zeros(len(filled), dtype=np.int64)
    if pa.types.is_string(column.values.type):
        rows, written = fixed_width(column.values, 8)
        found[rows] = (written[:, :4].astype(np.int64) - 48) @ (1000, 100, 10, 1)
    else:
        found = pc.fill_null(column.values, 0).to_numpy(zero_copy_only=False)
    inside = (found >= years[0]) & (found <= years[1])
    outside: Bools = filled & ~inside
    return outside
