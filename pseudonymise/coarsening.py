"""Near-identifiers made coarser: a birth date becomes a year or a decade, a postcode its first figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import Refused
from enclave.identifiers import as_strings, check

_DATE = r"^(?P<year>[0-9]{4})-?[0-9]{2}-?[0-9]{2}$|^[0-9]{1,2}-[0-9]{1,2}-(?P<last>[0-9]{4})$"


@dataclass(frozen=True, slots=True)
class Coarsening:
    """A rule: the type that it gives, for which kinds (or types) of columns, and how; what it cannot read becomes
    null."""

    type: Any
    kinds: frozenset[str]
    apply: Callable[[Any], Any]


def coarsening(rule: str) -> Coarsening:
    """The rule called ``rule`` (one of :data:`RULES`); :class:`Refused` when there is none."""
    if rule not in RULES:
        raise Refused(
            f"there is no coarsening rule {rule}",
            next_step=f"let the schema say one of: {', '.join(f'coarsen:{name}' for name in RULES)}",
        )
    return RULES[rule]


def _year(dates: Any) -> Any:
    """Year of dates, or of texts yyyymmdd, yyyy-mm-dd or dd-mm-yyyy."""
    if pa.types.is_date(dates.type) or pa.types.is_timestamp(dates.type):
        return pc.year(dates)
    parts = pc.extract_regex(as_strings(dates), _DATE)
    year, last = pc.struct_field(parts, "year"), pc.struct_field(parts, "last")
    found = pc.if_else(pc.equal(year, ""), last, year)
    return found.cast(pa.int64())


def _years(width: int) -> Callable[[Any], Any]:
    """First year of the band of ``width`` years that holds a date."""

    def band(dates: Any) -> Any:
        years = _year(dates)
        return pc.multiply(pc.divide(years, width), width)

    return band


def _figures(width: int) -> Callable[[Any], Any]:
    """The first figures of a postcode."""
    return lambda postcodes: pc.utf8_slice_codeunits(check("postcode", postcodes).canonical, 0, width)


_DATES = frozenset({"birth_date", "date"})
_POSTCODES = frozenset({"postcode"})
RULES = {
    "year": Coarsening(pa.int64(), _DATES, _year),
    "five_years": Coarsening(pa.int64(), _DATES, _years(5)),
    "decade": Coarsening(pa.int64(), _DATES, _years(10)),
    "pc4": Coarsening(pa.string(), _POSTCODES, _figures(4)),
    "pc2": Coarsening(pa.string(), _POSTCODES, _figures(2)),
}
