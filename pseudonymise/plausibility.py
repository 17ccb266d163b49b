"""A received delivery beside that of the period before: row counts, shares per category, what is filled, and numbers.

A file can hold every rule of its schema and still be wrong as a whole: half an export, amounts in cents, codes that
changed places. What differs is a warning for a person, who knows whether the world changed or the file. Profiles and
warnings stay in the identified zone; groups below :data:`SMALLEST_GROUP` are counted together and never told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from enclave.frames import Frame, streamed
from enclave.zones import Identified
from pseudonymise.custody import Custody
from pseudonymise.schemas import ColumnSpec, DeliverySchema, period_years

SMALLEST_GROUP = 10
FEWEST_ROWS = 50
"""Below this a profile has no quantiles, and shares are not compared: they would be single persons'."""
ROWS_CHANGED = 1.5
SHARE_MOVED, SHARE_SURE = 0.05, 4.0
FILLED_MOVED = 0.10
SCALE_CHANGED = 2.0
SMALL = "(small groups)"


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnProfile(_File):
    """One column: how many cells are filled; counts of categories (a code, or how many years before the period's end a
    date lies), small ones together; quantiles 10, 50 and 90 % of numbers."""

    filled: int
    categories: Mapping[str, int] = {}
    quantiles: tuple[float, float, float] | None = None


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
    Oddity.SCALE: "{column}: the middle of the numbers is {now:.2g} times what it was in the period before",
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
    if spec.type == "date":
        years = pc.utf8_slice_codeunits(values.filter(filled), 0, 4).cast(pa.int64())
        before = pc.subtract(period_years(period)[1], years)
        return ColumnProfile(filled=count, categories=_grouped(before.cast(pa.string())))
    if spec.type in ("integer", "decimal") and count >= FEWEST_ROWS:
        found = pc.quantile(values, q=[0.1, 0.5, 0.9]).to_pylist()
        return ColumnProfile(filled=count, quantiles=(found[0], found[1], found[2]))
    return ColumnProfile(filled=count)


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
    filled = now.filled / rows[0], before.filled / rows[1]
    if abs(filled[0] - filled[1]) > FILLED_MOVED:
        yield Caution(oddity=Oddity.FILLED, column=name, before=filled[1], now=filled[0])
    for category in sorted((set(now.categories) | set(before.categories)) - {SMALL}):
        yield from _of_category(name, category, (now, before))
    if now.quantiles and before.quantiles:
        middle, earlier = now.quantiles[1], before.quantiles[1]
        if earlier > 0 and middle > 0 and not 1 / SCALE_CHANGED <= middle / earlier <= SCALE_CHANGED:
            yield Caution(oddity=Oddity.SCALE, column=name, before=1.0, now=middle / earlier)


def _of_category(name: str, category: str, columns: tuple[ColumnProfile, ColumnProfile]) -> Iterator[Caution]:
    """A share has moved when chance alone would hardly move it so far, and it matters."""
    counts = [column.categories.get(category, 0) for column in columns]
    sizes = [max(sum(column.categories.values()), 1) for column in columns]
    now, before = (count / size for count, size in zip(counts, sizes, strict=True))
    both = sum(counts) / sum(sizes)
    error = np.sqrt(both * (1 - both) * (1 / sizes[0] + 1 / sizes[1]))
    if abs(now - before) < SHARE_MOVED or abs(now - before) < SHARE_SURE * error:
        return
    oddity = Oddity.GONE if not counts[0] else Oddity.NEW if not counts[1] else Oddity.SHARE
    yield Caution(oddity=oddity, column=name, category=category, before=before, now=now)
