"""Filters of a delivery → units of the key register, by similarity alone; nobody's name is there to look at.

A record is linked to the most similar unit when the similarity reaches the threshold and no other candidate comes
within the margin: of two units that are nearly alike, neither is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from enclave.identifiers import Bytes
from linkage.assignment import Bools, Floats, Ints, Pairs, mutual_best, weight_of
from linkage.encodings.similarity import Blocking, blocking_for, most_similar, similar_pairs

AT_ONCE = 1 << 20
"""Units of the register in memory at once: 128 MiB of filters of 1,024 bits."""
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class EncodedResult:
    """The linked pairs by record: ``record`` (row of the delivery), ``unit`` (text), ``similarity`` (Dice, 0–1).

    ``ambiguous``: records at the threshold that a rival within the margin kept from being linked. ``links``: per record
    the number of units at the threshold. ``pairs``: candidates; ``compared``: how they were found.
    """

    record: Ints
    unit: Any
    similarity: Floats
    ambiguous: int
    links: Ints
    pairs: int
    units: int
    blocking: Blocking | None


def match_filters(
    delivered: Bytes,
    register: Iterable[tuple[Any, Bytes]],
    *,
    units: int,
    threshold: float,
    margin: float,
    one_to_one: bool,
    usable: Bools | None = None,
) -> EncodedResult:
    """Link ``delivered`` filters to those of the register.

    Args:
        delivered: ``(records, bytes)``, held in memory.
        register: batches of (units as texts, filters); read once, :data:`AT_ONCE` units in memory.
        units: how many there are, for choosing the blocking.
        threshold: lowest Dice coefficient of a link, 0–1.
        margin: how far a rival must stay behind, 0–1.
        one_to_one: whether a unit takes one record at most.
        usable: which records are tried; all without it.
    """
    tried = np.arange(len(delivered)) if usable is None else np.flatnonzero(usable)
    blocking = blocking_for(threshold, max(len(tried), 1), max(units, 1))
    parts: list[Pairs] = []
    names: list[Any] = []
    seen = 0
    for texts, filters in _regrouped(register):
        found = similar_pairs(delivered[tried], filters, threshold - margin, blocking)
        parts = [most_similar([*parts, Pairs(tried[found.record], found.unit + seen, found.weight, found.rule)])]
        names.append(texts)
        seen += len(texts)
    pairs = most_similar(parts)
    linked, ambiguous = _linked(pairs, threshold, margin, one_to_one=one_to_one)
    known = pa.concat_arrays(names) if names else pa.array([], pa.string())
    chosen = pairs.take(linked)
    order = np.argsort(chosen.record, kind="stable")
    chosen = chosen.take(order)
    links = np.bincount(pairs.record[pairs.weight >= threshold], minlength=len(delivered))[tried]
    return EncodedResult(
        chosen.record,
        known.take(pa.array(chosen.unit)),
        chosen.weight,
        ambiguous,
        links.astype(np.int64),
        len(pairs),
        seen,
        blocking,
    )


def _regrouped(register: Iterable[tuple[Any, Bytes]]) -> Iterator[tuple[Any, Bytes]]:
    """Batches of about :data:`AT_ONCE` units: every batch costs a look at all tables."""
    held: list[tuple[Any, Bytes]] = []
    for batch in register:
        held.append(batch)
        if sum(len(texts) for texts, _ in held) >= AT_ONCE:
            yield _together(held)
            held = []
    if held:
        yield _together(held)


def _together(held: list[tuple[Any, Bytes]]) -> tuple[Any, Bytes]:
    return pa.concat_arrays([texts for texts, _ in held]), np.concatenate([filters for _, filters in held])


def _linked(pairs: Pairs, threshold: float, margin: float, *, one_to_one: bool) -> tuple[Bools, int]:
    """Which pairs are links, and how many records were at the threshold and had a rival too near.

    One-to-one, a unit that belongs to another record by clearly more is no rival, and neither is such a record.
    """
    best = mutual_best(pairs) if one_to_one else _best_of_record(pairs)
    of_record = of_unit = ~best
    if one_to_one:
        clearly = pairs.weight + margin
        of_record = ~best & (weight_of(pairs.unit, pairs, best) < clearly)
        of_unit = ~best & (weight_of(pairs.record, pairs, best) < clearly)
    near = _highest(pairs.record, np.where(of_record, pairs.weight, 0.0))
    if one_to_one:
        near = np.maximum(near, _highest(pairs.unit, np.where(of_unit, pairs.weight, 0.0)))
    reached = best & (pairs.weight >= threshold)
    linked: Bools = reached & (pairs.weight - near >= margin - _ROUNDING)
    linked &= pairs.weight > near  # of two that are exactly alike neither is taken, whatever the margin
    return linked, int((reached & ~linked).sum())


def _best_of_record(pairs: Pairs) -> Bools:
    order = np.lexsort((pairs.unit, -pairs.weight, pairs.record))
    best = np.zeros(len(pairs), dtype=np.bool_)
    best[order[np.unique(pairs.record[order], return_index=True)[1]]] = True
    return best


def _highest(groups: Ints, values: Floats) -> Floats:
    """Per row the highest value of its group."""
    keys, inverse = np.unique(groups, return_inverse=True)
    highest = np.zeros(len(keys))
    np.maximum.at(highest, inverse, values)
    of_rows: Floats = highest[inverse]
    return of_rows
