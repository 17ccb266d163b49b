"""Near-identifiers made coarser: a birth date becomes a year, a postcode its four figures."""

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
    """A rule: the type that it gives and how; what it cannot read becomes null."""

    type: Any
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


def _pc4(postcodes: Any) -> Any:
    return pc.utf8_slice_codeunits(check("postcode", postcodes).canonical, 0, 4)


RULES = {"year": Coarsening(pa.int64(), _year), "pc4": Coarsening(pa.string(), _pc4)}
