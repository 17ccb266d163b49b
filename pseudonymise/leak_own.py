"""A record's own numbers in its own free text: a dossier, KvK or BAG number that no check of its own gives away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.identifiers import Bools
from enclave.text_runs import Ints, Runs, byte_class, plain_rows

SHORTEST_NUMBER = 5
"""Characters; a shorter own number (``12``) may stand in any text by chance."""

_BETWEEN = r"[^\pL\pN/_-]+"
_WORD = byte_class(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz/_-")


def rows_with_own_numbers(texts: Any, own: Sequence[Any]) -> Bools:
    """Which texts hold, as a whole word and in any case, a value of the same row of one of the ``own`` columns."""
    hits = np.zeros(len(texts), dtype=np.bool_)
    filled = pc.fill_null(texts, "")
    figures = pc.match_substring_regex(filled, "[0-9]").to_numpy(zero_copy_only=False)
    plain = plain_rows(filled)
    for rows, words_of in ((figures & plain, _plain_words), (figures & ~plain, _words)):
        places = np.flatnonzero(rows)
        if not len(places) or not own:
            continue
        at, words = words_of(filled.take(pa.array(places)))
        mine = [pc.utf8_upper(column.take(pa.array(places))) for column in own]
        for values in mine:
            alike = _lengths(values)[at] == _lengths(words)  # few are: only these are compared
            rows_alike = at[alike]
            same = pc.equal(words.filter(pa.array(alike)), values.take(pa.array(rows_alike)))
            hits[places[rows_alike[pc.fill_null(same, False).to_numpy(zero_copy_only=False)]]] = True
    return hits


def _plain_words(texts: Any) -> tuple[Ints, Any]:
    """Row and upper-case text of every word that is long enough, of texts that are all ASCII."""
    runs = Runs.of(texts, _WORD)
    words = runs.texts()
    long_enough = runs.width >= SHORTEST_NUMBER
    return runs.row[long_enough], pc.ascii_upper(words.filter(pa.array(long_enough)))


def _words(texts: Any) -> tuple[Ints, Any]:
    lists = pc.split_pattern_regex(pc.utf8_upper(texts), _BETWEEN)
    row = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    words = pc.list_flatten(lists)
    long_enough = pc.greater_equal(pc.utf8_length(words), SHORTEST_NUMBER)
    return row[long_enough.to_numpy(zero_copy_only=False)], words.filter(long_enough)


def _lengths(values: Any) -> Ints:
    """Bytes; 0 where null."""
    lengths: Ints = pc.fill_null(pc.binary_length(values), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return lengths
