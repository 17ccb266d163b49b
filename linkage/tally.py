"""Counts over the rows of a linked data set while they pass on their way to the file, in order of its first key."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import NotReady


class Tally:
    """A sink before the file's sink.

    ``statuses``: key -> status -> records. ``duplicates``: records equal in all columns to the one before.
    ``several``: units of the first key with more than one record; ``most``: the largest number of records of one.
    """

    def __init__(self, keys: Sequence[str], sink: Callable[[pa.RecordBatch], None]) -> None:
        self._keys = keys
        self._sink = sink
        self._last: pa.RecordBatch | None = None
        self._run = 0
        self.rows = 0
        self.duplicates = 0
        self.several = 0
        self.most = 0
        self.statuses: dict[str, dict[str, int]] = {key: {"R": 0, "S": 0, "": 0} for key in keys}

    def __call__(self, batch: pa.RecordBatch) -> None:
        """Count the batch and pass it on.

        Raises:
            NotReady: a record has a unit without a number.
        """
        if batch.num_rows == 0:
            return
        self.rows += batch.num_rows
        for key in self._keys:
            self._count_status(key, batch)
        joined = batch if self._last is None else pa.concat_batches([self._last, batch])
        self.duplicates += int(np.count_nonzero(_equal_to_previous(joined, joined.schema.names)))
        self._count_runs(batch)
        self._last = batch.slice(batch.num_rows - 1)
        self._sink(batch)

    def _count_status(self, key: str, batch: pa.RecordBatch) -> None:
        status = batch.column(f"{key}_status")
        for pair in pc.value_counts(status).to_pylist():
            self.statuses[key][pair["values"]] += pair["counts"]
        numbered = pc.is_valid(batch.column(key))
        if not pc.all(pc.equal(numbered, pc.not_equal(status, ""))).as_py():
            raise NotReady(f"units of key {key} have no number", next_step="run the link step again")

    def _count_runs(self, batch: pa.RecordBatch) -> None:
        """Lengths of runs of one unit; a run may go on in the next batch; no unit, no run."""
        units = batch.column(self._keys[0])
        same = np.zeros(batch.num_rows, dtype=bool)
        same[1:] = _equal_to_previous(batch, self._keys[:1])
        if self._last is not None:
            before = self._last.column(self._keys[0])[0]
            same[0] = before.is_valid and units[0].is_valid and before.as_py() == units[0].as_py()
        valid = np.asarray(pc.is_valid(units).to_numpy(zero_copy_only=False))
        starts = np.flatnonzero(~same)
        lengths = np.diff(np.append(starts, batch.num_rows))
        carried = 0 if not same[0] else int(starts[0]) if len(starts) else batch.num_rows
        if carried:
            self.several += self._run == 1
            self._run += carried
            self.most = max(self.most, self._run)
        if len(starts):
            counted = lengths[valid[starts]]
            self.several += int(np.count_nonzero(counted > 1))
            self.most = max(self.most, int(counted.max(initial=0)))
            self._run = int(lengths[-1])


def _equal_to_previous(batch: pa.RecordBatch, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """For rows 2, 3, …: whether they equal the row before in all of ``names`` (nulls are equal to nulls)."""
    equal = np.ones(max(batch.num_rows - 1, 0), dtype=bool)
    for name in names:
        column = batch.column(name)
        here, before = column.slice(1), column.slice(0, max(batch.num_rows - 1, 0))
        both_null = pc.and_(pc.is_null(here), pc.is_null(before))
        same = pc.or_(pc.fill_null(pc.equal(here, before), fill_value=False), both_null)
        equal &= np.asarray(same.to_numpy(zero_copy_only=False))
    return equal
