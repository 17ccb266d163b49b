"""Cells of spreadsheets and of SPSS as the text that the same value would have in a CSV file of the schema."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pseudonymise.schemas import DeliverySchema

_DATE_FORMATS = {"dd-mm-yyyy": "%d-%m-%Y", "yyyy-mm-dd": "%Y-%m-%d", "yyyymmdd": "%Y%m%d"}


class CellText:
    """Writes numbers with the schema's decimal mark and dates in its date format."""

    def __init__(self, schema: DeliverySchema) -> None:
        self._mark = schema.decimal_mark
        self._date_format = _DATE_FORMATS[schema.date_format]

    def column(self, values: Sequence[Any]) -> pa.Array:
        """A text array from cells of any kinds; None and empty text become null."""
        # a spreadsheet hands its cells over one by one, whatever we do; columns of one kind go the quick way
        kinds = set(map(type, values))
        if kinds <= {str, type(None)}:
            return _null_if_empty(pa.array(values, pa.string()))
        if kinds <= {int, type(None)}:
            return pa.array(values).cast(pa.string()) if _fit_int64(values) else self._one_by_one(values)
        return self._one_by_one(values)

    def numbers(self, values: np.ndarray[Any, np.dtype[np.float64]]) -> pa.Array:
        """A text array from floats; whole ones without a decimal mark, NaN as null."""
        missing = np.isnan(values)
        whole = (values == np.floor(values)) & (np.abs(values) < 2**53)
        as_integers = pa.array(np.where(whole, values, 0).astype(np.int64), mask=missing).cast(pa.string())
        if (whole | missing).all():
            return as_integers
        plain = pa.array(values, mask=missing).cast(pa.string())
        marked = pc.replace_substring(plain, ".", self._mark)
        return pc.if_else(pa.array(whole), as_integers, marked)

    def _one_by_one(self, values: Sequence[Any]) -> pa.Array:
        return _null_if_empty(pa.array([self._text(value) for value in values], pa.string()))

    def _text(self, value: Any) -> str | None:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool):
            return str(value).upper()  # as the sheet shows it: a tick is no number, and must not pass for 1
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            return self._number(value)
        if isinstance(value, date):
            return self._date(value)
        return str(value)

    def _number(self, value: float) -> str | None:
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() else repr(value).replace(".", self._mark)

    def _date(self, value: date) -> str:
        if isinstance(value, datetime) and value.time() != time(0):
            return value.isoformat()
        return value.strftime(self._date_format)


def _fit_int64(values: Sequence[int | None]) -> bool:
    return all(value is None or -(2**63) <= value < 2**63 for value in values)


def _null_if_empty(values: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
