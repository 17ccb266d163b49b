"""What all output requests have in common: names, population, record and unit, and a figure to be drawn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
ColumnName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]
Words = Annotated[str, Field(min_length=2, max_length=80)]


class Strict(BaseModel):
    """Knows its fields and no others, and their types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Population(Strict):
    """The linked data set, and its key column, within which every counted record must lie.

    ``whole``: by definition all of them are counted, one record each (per period where the request has one); the gate
    refuses when one is missing. A derivation that happens to leave nobody out is not whole unless this says so.
    """

    dataset: Slug
    key: ColumnName
    whole: bool = False


class Figure(Strict):
    """A figure that the gate draws from the released table, never from records.

    ``x``, ``y``, ``by``, ``low`` and ``high`` are columns of the released CSV file (empty: what is usual for the
    kind); a ``funnel`` of a rate or a ratio by its precision takes the control limits from the columns of that rate
    request. ``where`` keeps the rows in which a column has a code. ``alternative`` says in words what is to be seen.
    """

    chart: Literal["bar", "line", "step", "point", "heat", "funnel"]
    x: ColumnName
    y: ColumnName
    by: ColumnName | None = None
    low: ColumnName | None = None
    high: ColumnName | None = None
    where: tuple[tuple[ColumnName, Annotated[str, Field(max_length=40)]], ...] = Field(default=(), max_length=6)
    x_label: Words
    y_label: Words
    alternative: str = Field(min_length=20, max_length=500)


class Request(Strict):
    """``record`` identifies a row of the derived frame; where it recurs (dwelling-years), with ``period``."""

    name: Slug
    title: str = Field(min_length=3, max_length=200)
    derivation: Slug
    population: Population
    record: ColumnName
    period: ColumnName | None = None
    unit: ColumnName
    figure: Figure | None = None

    def flags(self) -> tuple[str, ...]:
        """Columns of 0 and 1 that are counted as outcomes."""
        return ()

    def numbers(self) -> tuple[str, ...]:
        """Number columns (0/1 columns among them)."""
        return ()

    def categories(self) -> tuple[str, ...]:
        """Columns of codes of any one classification."""
        return ()

    def coded(self) -> tuple[tuple[str, str], ...]:
        """Columns of codes of a named classification, each with its name."""
        return ()

    def columns(self) -> tuple[str, ...]:
        """Every column that is taken from the derived frame, record and unit first, each once."""
        keys = (self.record, self.unit, *([self.period] if self.period else []))
        others = (*(column for column, _ in self.coded()), *self.flags(), *self.numbers(), *self.categories())
        return tuple(dict.fromkeys((*keys, *others)))
