"""How the population of a table was defined, as a keyed digest: two of the same units may be two by definition.

A population is all members of a linked data set, or what one version of an analysis derived from it. No more is known:
a derivation is code, and of two codes nobody can tell whether they always choose the same.
"""

from __future__ import annotations

import hmac
import json
from hashlib import sha256

from enclave.requests import Request, TableRequest
from output_control.ledger.released import ReleasedTable
from output_control.tables.derived import Sources, member_column

PURPOSE = "populations"


def defined(request: TableRequest, table: ReleasedTable, sources: Sources, *, made: str, key: bytes) -> str:
    """HMAC-SHA-256 under ``key`` of the linked data set, its key, the period and what is counted; of a selection also
    of ``made`` (the digest of code, parameters and environment) and the derived frame. Equal for what is defined alike.
    """
    source = [request.population.dataset, request.population.key, table.period, request.measure or ""]
    chosen = [] if _is_everyone(request, table, sources) else [made, request.derivation]
    return hmac.digest(key, json.dumps([*source, *chosen]).encode(), sha256).hex()


def _is_everyone(request: Request, table: ReleasedTable, sources: Sources) -> bool:
    """Whether every member of the linked data set is in ``table``, in every period that it has there."""
    frame, within = sources.derived_table(request.derivation), sources.population_table(request.population.dataset)
    member = member_column(request, sources.schema(request.derivation))
    key, whole = [member], [request.population.key]
    if request.period is not None:
        if sources.type_of_linked(request.population.dataset, request.period) is None:
            return False
        key, whole = [*key, request.period], [*whole, request.period]
    distinct = "SELECT COUNT(*) FROM (SELECT DISTINCT {key} FROM {table}) AS d"
    there, of = (sources.number(distinct, key=k, table=t) for k, t in ((key, frame), (whole, within)))
    # nobody was left out of the table for want of a value or a code
    return there == of and len(table.rows) == sources.number("SELECT COUNT(*) FROM {table}", table=frame)
