"""What matching by likeness must know of a kind of unit: where its register lies, how records are prepared, found and
compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from linkage.comparisons import Comparison

_COLUMN = re.compile(r"\b[lr]\.(\w+)")


@dataclass(frozen=True, slots=True)
class UnitModel:
    """One kind of unit.

    ``register``: file of the office's key register with the column ``unit`` of keys, those of ``identifiers`` (kind ->
    column, two at most), and ``register_columns`` (field -> column; those that the file has not are left out).
    ``prepare``: table and field -> column -> the text columns ``fields``, of which clerks see ``shown``. ``needs``:
    comparison -> column without which it says nothing. ``passes``: name and condition of what finds the pairs, in this
    order. ``several_rows``: a unit may stand in the register more than once, under further names or addresses.
    ``training``: pairs on which m is trained, each after the comparisons that such pairs say nothing about; empty where
    comparisons are too few to tell matches from others, and m is learnt from labelled records alone.
    """

    mark: str
    register: str
    unit: str
    identifiers: Mapping[str, str]
    register_columns: Mapping[Any, str]
    prepare: Callable[[pa.Table | pa.RecordBatch, Mapping[Any, str]], pa.Table]
    fields: tuple[str, ...]
    shown: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    needs: Mapping[str, str]
    passes: tuple[tuple[str, str], ...]
    training: tuple[tuple[str, str], ...] = ()
    several_rows: bool = False

    def comparisons_for(self, present: Collection[str]) -> tuple[Comparison, ...]:
        """The comparisons that the columns ``present`` allow."""
        return tuple(found for found in self.comparisons if self.needs[found.name] in present)

    def passes_for(self, present: Collection[str]) -> tuple[int, ...]:
        """Positions of the passes that the columns ``present`` allow."""
        return tuple(at for at, (_, rule) in enumerate(self.passes) if columns_of(rule) <= set(present))


def columns_of(rule: str) -> set[str]:
    """The columns that a blocking rule compares."""
    return set(_COLUMN.findall(rule))
