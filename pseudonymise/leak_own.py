"""A record's own numbers in its own free text: a dossier, KvK or BAG number that no check of its own gives away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.identifiers import Bools

SHORTEST_NUMBER = 5
"""Characters; a shorter own number (``12``) may stand in any text by chance."""

_BETWEEN = r"[^\pL\pN/_-]+"


def rows_with_own_numbers(texts: Any, own: Sequence[Any]) -> Bools:
    """Which texts hold, as a whole word and in any case, a value of the same row of one of the ``own`` columns."""
    hits = np.zeros(len(texts), dtype=np.bool_)
    filled = pc.fill_null(texts, "")
    rows = pc.indices_nonzero(pc.match_substring_regex(filled, "[0-9]"))
    if not len(rows) or not own:
        return hits
    words = pc.split_pattern_regex(pc.utf8_upper(filled.take(rows)), _BETWEEN)
    at = rows.take(pc.list_parent_indices(words))
    held = _numbered(at, pc.list_flatten(words))
    known = pa.concat_arrays([_numbered(rows, pc.utf8_upper(column.take(rows))) for column in own])
    found = pc.is_in(held, known.drop_null())
    hits[at.filter(found).to_numpy()] = True
    return hits


def _numbered(rows: Any, values: Any) -> Any:
    """``row:value``, null where the value is null or short."""
    long_enough = pc.greater_equal(pc.utf8_length(values), SHORTEST_NUMBER)
    kept = pc.if_else(pc.fill_null(long_enough, False), values, pa.scalar(None, pa.string()))
    return pc.binary_join_element_wise(rows.cast(pa.string()), kept, ":")
