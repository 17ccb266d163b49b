"""The checks of a delivery's rows once more, by pandera: slow, and what the fast ones are compared with."""

from __future__ import annotations

import contextlib
import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pseudonymise.conversion import Converted
from pseudonymise.quarantine import FORM_CODES, Defect
from pseudonymise.row_checks import JOIN, Failure
from pseudonymise.schemas import ColumnSpec, DeliverySchema, PeriodCheck

_FORM = ":form"


def _pandas_frame(converted: Mapping[str, Converted]) -> pd.DataFrame:
    frame: pd.DataFrame = pa.table({name: column.values for name, column in converted.items()}).to_pandas()
    forms = {name + _FORM: column.form for name, column in converted.items()}
    return pd.concat([frame, pd.DataFrame(forms)], axis=1)


def pandera_failures(
    converted: Mapping[str, Converted], schema: DeliverySchema, years: tuple[int, int]
) -> list[Failure]:
    """Rows (places in the batch, ascending) per reason, as pandera finds them."""
    from pandera.errors import SchemaErrors

    try:
        with _no_spark_warning():
            _pandera_schema(schema, years).validate(_pandas_frame(converted), lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases[["column", "check", "index"]].copy()
    else:
        return []
    found: dict[str, list[Any]] = {}
    for (column, check), places in cases.groupby(["column", "check"], sort=False)["index"]:
        found.setdefault(_reason(str(column), str(check)), []).append(places.to_numpy(dtype=np.int64))
    return [(np.unique(np.concatenate(places)), reason) for reason, places in sorted(found.items())]


def _reason(column: str, check: str) -> str:
    """Checks of a row carry the whole reason; those of a column only the defect."""
    return check if ":" in check else f"{column.removesuffix(_FORM)}:{check}"


@contextlib.contextmanager
def _no_spark_warning() -> Iterator[None]:
    """Where Spark is installed pandera looks at it, and it warns about pandas 3; it is not used here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _pandera_schema(schema: DeliverySchema, years: tuple[int, int]) -> Any:
    with _no_spark_warning():
        import pandera.pandas as pandera

    columns: dict[str, Any] = {}
    for spec in schema.columns:
        columns[spec.name] = pandera.Column(None, nullable=True, checks=_value_checks(spec, pandera))
        columns[spec.name + _FORM] = pandera.Column(None, checks=_form_checks(pandera))
    return pandera.DataFrameSchema(columns, checks=_row_checks(schema, years, pandera))


def _form_checks(pandera: Any) -> list[Any]:
    return [
        pandera.Check(lambda codes, code=code: codes != code, name=defect.value) for defect, code in FORM_CODES.items()
    ]


def _value_checks(spec: ColumnSpec, pandera: Any) -> list[Any]:
    checks = []
    if spec.codes:
        allowed = list(spec.codes)
        checks.append(pandera.Check(lambda values: values.isin(allowed), name=Defect.NOT_IN_LIST.value))
    if (spec.minimum, spec.maximum) != (None, None):
        low = -np.inf if spec.minimum is None else spec.minimum
        high = np.inf if spec.maximum is None else spec.maximum
        checks.append(pandera.Check(lambda values: values.between(low, high), name=Defect.OUT_OF_RANGE.value))
    if spec.kind == "house_number":
        checks.append(pandera.Check(lambda values: values.map(_numbered), name=Defect.PATTERN.value))
    if spec.pattern:
        whole = re.compile(spec.pattern)
        checks.append(pandera.Check(lambda values: values.str.fullmatch(whole), name=Defect.PATTERN.value))
    return checks


def _numbered(text: str) -> bool:
    """A house number stands in front; raised figures (12²) are no part of it."""
    apart = "".join(f" {character}" if unicodedata.category(character) == "No" else character for character in text)
    plain = unicodedata.normalize("NFKC", apart).lower()
    return re.fullmatch(r"\s*(?:#\s*|no\s*|nr[.\s]*)?0*[1-9][0-9]{0,4}(?:[^0-9\x1f][^\x1f]*)?", plain) is not None


def _row_checks(schema: DeliverySchema, years: tuple[int, int], pandera: Any) -> list[Any]:
    rules = schema.rules
    checks = [
        pandera.Check(_any_filled(group), name=f"{JOIN.join(group)}:{Defect.NONE_FILLED.value}")
        for group in rules.any_of
    ]
    checks += [
        pandera.Check(_in_order(first, second), name=f"{first}{JOIN}{second}:{Defect.WRONG_ORDER.value}")
        for first, second in rules.in_order
    ]
    checks += [
        pandera.Check(_filled_if(rule.column, rule.code, rule.then), name=f"{rule.then}:{Defect.MISSING.value}")
        for rule in rules.required_if
    ]
    if rules.period is not None:
        name = f"{rules.period.column}:{Defect.OTHER_PERIOD.value}"
        checks.append(pandera.Check(_in_period(rules.period, years), name=name))
    return checks


def _any_filled(group: tuple[str, ...]) -> Any:
    """An identifier that does not hold its form has a fault of its own: it counts as filled here."""

    def check(frame: pd.DataFrame) -> pd.Series[bool]:
        filled = frame[list(group)].notna().any(axis=1)
        return filled | (frame[[name + _FORM for name in group]] != 0).any(axis=1)

    return check


def _in_order(first: str, second: str) -> Any:
    def check(frame: pd.DataFrame) -> pd.Series[bool]:
        both = frame[first].notna() & frame[second].notna()
        return ~both | (frame[first].fillna("") <= frame[second].fillna(""))

    return check


def _filled_if(column: str, code: str, then: str) -> Any:
    def check(frame: pd.DataFrame) -> pd.Series[bool]:
        concerned = frame[column].fillna("") == code
        return ~concerned | frame[then].notna() | (frame[then + _FORM] != 0)

    return check


def _in_period(rule: PeriodCheck, years: tuple[int, int]) -> Any:
    first, last = years[0] - rule.years_before, years[1]

    def check(frame: pd.DataFrame) -> pd.Series[bool]:
        values = frame[rule.column]
        found = values if values.dtype.kind in "if" else pd.to_numeric(values.str.slice(0, 4))
        return values.isna() | found.between(first, last)

    return check
