"""A received delivery beside that of the period before: row counts, shares per category, what is filled, and numbers.

A file can hold every rule of its schema and still be wrong as a whole: half an export, amounts in cents, codes that
changed places, one filling for every row. What differs is a warning for a person, who knows whether the world changed
or the file. Profiles and warnings stay in the identified zone; groups below :data:`SMALLEST_GROUP` are counted together
and never told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from enclave.frames import Frame, streamed
from enclave.zones import Identified
from pseudonymise.custody import Custody
from pseudonymise.number_profile import (
    FEWEST_NUMBERS,
    SMALLEST_GROUP,
    Numbers,
    numbers_of,
    ratio_of_all,
    ratios_moved,
    share_appeared,
    share_moved,
    share_outside,
)
from pseudonymise.schemas import ColumnSpec, DeliverySchema, period_years

FEWEST_ROWS = FEWEST_NUMBERS
"""Below this numbers and shares are not compared: they would be single persons'."""
ROWS_CHANGED = 1.5
FILLED_MOVED = 0.10
SMALL = "(small groups)"


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnProfile(_File):
    """One column: how many cells are filled, and how many of them hold its most frequent value but zero (unless it is
    a code); counts of categories (a code, or how many years before the period's end a date lies), small ones together;
    its numbers."""

    filled: int
    frequent: int = 0
    categories: Mapping[str, int] = {}
    numbers: Numbers | None = None


class Profile(_File):
    """A delivery in counts."""

    supplier: str
    schema_name: str
    period: str
    rows: int
    quarantined: int
    columns: Mapping[str, ColumnProfile]


class Oddity(Enum):
    """What can be odd about a delivery as a whole."""

    ROWS = "rows"
    QUARANTINE = "quarantine"
    FILLED = "filled"
    SHARE = "share"
    GONE = "gone"
    NEW = "new"
    SCALE = "scale"
    SPREAD = "spread"
    OUTSIDE = "outside"
    ZERO = "zero"
    NEGATIVE = "negative"
    REPEATED = "repeated"


class Caution(_File):
    """One thing to look at: column and category are empty where it is about the file or the column as a whole."""

    oddity: Oddity
    column: str = ""
    category: str = ""
    before: float
    now: float

    def __str__(self) -> str:
        return _SENTENCES[self.oddity].format(
            column=self.column, category=self.category, before=self.before, now=self.now
        )


_SENTENCES = {
    Oddity.ROWS: "{now:,.0f} rows, {before:,.0f} in the period before",
    Oddity.QUARANTINE: "{now:.1%} of the rows are set aside, {before:.1%} in the period before",
    Oddity.FILLED: "{column}: filled in {now:.0%} of the rows, in {before:.0%} in the period before",
    Oddity.SHARE: "{column}: {category} is {now:.1%} of the rows, {before:.1%} in the period before",
    Oddity.GONE: "{column}: {category} is hardly there any more, {before:.1%} in the period before",
    Oddity.NEW: "{column}: {category} is {now:.1%} of the rows and was hardly there in the period before",
    Oddity.SCALE: "{column}: the numbers are {now:.2g} times what they were in the period before",
    Oddity.SPREAD: "{column}: a part of the numbers moved (at {category} of their order), to at most {now:.2g} times "
    "what they were in the period before",
    Oddity.OUTSIDE: "{column}: {now:.1%} of the numbers lie far outside the range of the period before",
    Oddity.ZERO: "{column}: {now:.1%} of the numbers are zero, {before:.1%} in the period before",
    Oddity.NEGATIVE: "{column}: {now:.1%} of the numbers are negative, {before:.1%} in the period before",
    Oddity.REPEATED: "{column}: one value fills {now:.1%} of the cells that are filled; in the period before the most "
    "frequent one filled {before:.1%}",
}


def profile_of(
    frame: Frame[Identified], schema: DeliverySchema, *, supplier: str, period: str, quarantined: int, custody: Custody
) -> Profile:
    """Read the accepted rows of a delivery, one column at a time.

    Raises:
        KeyUnavailable: the delivery has expired.
    """
    with streamed(frame.path, decryption=custody.decryption()) as file:
        columns = {
            spec.name: column_profile(spec, file.read(columns=[spec.name]).column(0), period)
            for spec in schema.columns
            if spec.name in file.schema_arrow.names
        }
        rows = file.metadata.num_rows
    return Profile(
        supplier=supplier,
        schema_name=schema.name,
        period=period,
        rows=rows,
        quarantined=quarantined,
        columns=columns,
    )


def column_profile(spec: ColumnSpec, values: Any, period: str) -> ColumnProfile:
    """The profile of one column of accepted rows."""
    text = pa.types.is_string(values.type)
    filled = pc.not_equal(values, "") if text else pc.is_valid(values)
    count = int(pc.sum(pc.fill_null(filled, False)).as_py() or 0)
    if spec.type == "code":
        return ColumnProfile(filled=count, categories=_grouped(values.filter(filled)))
    frequent = _most_frequent(values.filter(filled), text=text)
    if spec.type == "date":
        years = pc.utf8_slice_codeunits(values.filter(filled), 0, 4).cast(pa.int64())
        before = pc.subtract(period_years(period)[1], years)
        return ColumnProfile(filled=count, frequent=frequent, categories=_grouped(before.cast(pa.string())))
    if spec.type in ("integer", "decimal"):
        return ColumnProfile(filled=count, frequent=frequent, numbers=numbers_of(values))
    return ColumnProfile(filled=count, frequent=frequent)


def _most_frequent(values: Any, *, text: bool) -> int:
    counted = values if text else values.filter(pc.not_equal(values, 0))
    return pc.max(pc.value_counts(counted).field("counts")).as_py() or 0


def _grouped(values: Any) -> dict[str, int]:
    counts = {str(each["values"]): each["counts"] for each in pc.value_counts(values).to_pylist()}
    large = {name: count for name, count in sorted(counts.items()) if count >= SMALLEST_GROUP}
    small = sum(counts.values()) - sum(large.values())
    return {**large, **({SMALL: small} if small else {})}


def compare(now: Profile, before: Profile) -> tuple[Caution, ...]:
    """What a person should look at, in the order of the columns."""
    return tuple(_warnings(now, before))


def _warnings(now: Profile, before: Profile) -> Iterator[Caution]:
    most, least = max(now.rows, before.rows), min(now.rows, before.rows)
    if most > ROWS_CHANGED * least and most - least >= SMALLEST_GROUP:
        yield Caution(oddity=Oddity.ROWS, before=before.rows, now=now.rows)
    if least < FEWEST_ROWS:
        return
    aside = [each.quarantined / (each.rows + each.quarantined) for each in (before, now)]
    if aside[1] > 2 * aside[0] + 0.02:
        yield Caution(oddity=Oddity.QUARANTINE, before=aside[0], now=aside[1])
    for name, column in now.columns.items():
        if name in before.columns:
            yield from _of_column(name, column, before.columns[name], (now.rows, before.rows))


def _of_column(name: str, now: ColumnProfile, before: ColumnProfile, rows: tuple[int, int]) -> Iterator[Caution]:
    if share_moved((now.filled, before.filled), rows, FILLED_MOVED):
        filled = now.filled / rows[0], before.filled / rows[1]
        yield Caution(oddity=Oddity.FILLED, column=name, before=filled[1], now=filled[0])
    for category in sorted((set(now.categories) | set(before.categories)) - {SMALL}):
        yield from _of_category(name, category, (now, before))
    held = now.filled, before.filled
    yield from _of_share(Oddity.REPEATED, name, (now.frequent, before.frequent), held)
    if now.numbers and before.numbers:
        yield from _of_numbers(name, now.numbers, before.numbers)


def _of_numbers(name: str, now: Numbers, before: Numbers) -> Iterator[Caution]:
    sizes = now.count, before.count
    yield from _of_share(Oddity.ZERO, name, (now.zero, before.zero), sizes)
    yield from _of_share(Oddity.NEGATIVE, name, (now.negative, before.negative), sizes)
    if (whole := ratio_of_all(now, before)) is not None:
        yield Caution(oddity=Oddity.SCALE, column=name, before=1.0, now=whole)
        return
    if moved := ratios_moved(now, before):
        places = ", ".join(f"{quantile:.0%}" for quantile in moved)
        furthest = max(moved.values(), key=lambda ratio: max(ratio, 1 / ratio))
        yield Caution(oddity=Oddity.SPREAD, column=name, category=places, before=1.0, now=furthest)
    if far := share_outside(now, before):
        yield Caution(oddity=Oddity.OUTSIDE, column=name, before=0.0, now=far)


def _of_share(oddity: Oddity, name: str, counts: tuple[int, int], sizes: tuple[int, int]) -> Iterator[Caution]:
    if min(sizes) >= FEWEST_ROWS and (share_moved(counts, sizes) or share_appeared(counts, sizes)):
        yield Caution(oddity=oddity, column=name, before=counts[1] / sizes[1], now=counts[0] / sizes[0])


def _of_category(name: str, category: str, columns: tuple[ColumnProfile, ColumnProfile]) -> Iterator[Caution]:
    """A share has moved when chance alone would hardly move it so far, and it matters.

    One that is not told may be among the small groups: it counts as large as it can be."""
    now, before = (column.categories.get(category, _most_of_untold(column)) for column in columns)
    sizes = tuple(max(sum(column.categories.values()), 1) for column in columns)
    if not share_moved((now, before), (sizes[0], sizes[1])):
        return
    told = [category in column.categories for column in columns]
    oddity = Oddity.SHARE if all(told) else Oddity.NEW if told[0] else Oddity.GONE
    yield Caution(oddity=oddity, column=name, category=category, before=before / sizes[1], now=now / sizes[0])


def _most_of_untold(column: ColumnProfile) -> int:
    return min(column.categories.get(SMALL, 0), SMALLEST_GROUP - 1)
