"""The columns of a CSV file of `zicht protect`, with every fault by column and row number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from enclave.errors import BadInput, Fault
from output_control.tables.table import CodeArray, Dimension, FloatArray, IntArray

ROWS_SHOWN = 5
MOST = 2.0**53
"""Beyond it whole numbers are no longer told apart, and a sum is not exact."""


class Columns:
    """The columns of one CSV file as numpy arrays, with the faults found on the way."""

    def __init__(self, path: Path, wanted: tuple[str, ...]) -> None:
        self.file = path.name
        self.faults: list[Fault] = []
        self.frame = self._read(path)
        names = self.frame.column_names
        if len(names) == 1 and ";" in names[0]:
            raise BadInput("the columns are parted by semicolons", where=self.file, next_step="part them by commas")
        faults = [Fault(self.file, "column", "the column is missing", column=n) for n in wanted if n not in names]
        first = np.unique(np.array(names, dtype=np.str_), return_index=True)[1]
        faults += [
            Fault(self.file, "column", f"column {place + 1} has the name of an earlier one")
            for place in np.setdiff1d(np.arange(len(names)), first)
        ]
        if faults:
            raise BadInput("columns are missing or stand twice", where=self.file, faults=faults)

    def _read(self, path: Path) -> pa.Table:
        try:
            names = pa_csv.open_csv(path).schema.names
            text = pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
            return pa_csv.read_csv(path, read_options=pa_csv.ReadOptions(use_threads=False), convert_options=text)
        except FileNotFoundError:
            raise BadInput("the file is missing", where=self.file) from None
        except (OSError, UnicodeDecodeError, pa.ArrowInvalid):
            # the parser's message may quote the offending row
            raise BadInput(
                "the file is not readable as comma-separated UTF-8 with one header row", where=self.file
            ) from None

    def __contains__(self, name: str) -> bool:
        return name in self.frame.column_names

    def fail(self, bad: npt.NDArray[np.bool_], column: str, check: str, message: str) -> None:
        """Note a fault for the rows marked (row 1 is the first below the header)."""
        if bad.any():
            rows = np.flatnonzero(bad) + 1
            shown = tuple(int(row) for row in rows[:ROWS_SHOWN])
            self.faults.append(Fault(self.file, check, message, column, shown, len(rows)))

    def numbers(self, name: str) -> FloatArray:
        """A column of numbers from 0 to 2^53."""
        text = self.frame[name].combine_chunks()
        pattern = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
        numeric = pc.match_substring_regex(text, pattern)
        clean = pc.cast(pc.if_else(numeric, pc.utf8_trim_whitespace(text), "0"), pa.float64())
        values = np.array(clean.to_numpy(zero_copy_only=False), dtype=np.float64)
        self.fail(~numeric.to_numpy(zero_copy_only=False), name, "number", "not a number")
        self.fail(~np.isfinite(values), name, "finite", "not a finite number")
        self.fail(values < 0, name, "sign", "below zero")
        self.fail(np.isfinite(values) & (values > MOST), name, "size", "above 2^53, where numbers are not exact")
        return values

    def added_up(self, name: str, values: FloatArray) -> None:
        """Note a fault where the numbers of a column, each small enough, are too large together."""
        if values.max(initial=0) <= MOST < values.sum():
            self.faults.append(Fault(self.file, "size", "adds up to more than 2^53, where sums are not exact", name))

    def codes(self, dims: tuple[Dimension, ...], *, leaves_only: bool) -> CodeArray:
        """Positions of the dims' codes; unknown ones (and parents, where leaves are asked) are faults."""
        columns = []
        for dim in dims:
            text = self.frame[dim.name].combine_chunks()
            found = pc.index_in(text, value_set=pa.array(dim.codes)).to_numpy(zero_copy_only=False)
            known = np.isfinite(found)
            self.fail(~known, dim.name, "code", "the code is not in the hierarchy")
            position = np.where(known, found, 0).astype(np.int32)
            if leaves_only:
                leaf = np.isin(np.array(dim.codes), dim.leaves)[position]
                self.fail(known & ~leaf, dim.name, "leaf", "the code is a total, not a leaf")
            columns.append(position)
        return np.column_stack(columns)

    def contributors(self, name: str) -> IntArray:
        """Contributor ids numbered from 0 in sorted order of the id, so that the order of rows does not matter.

        Blanks around an id do not make another contributor.
        """
        text = pc.utf8_trim_whitespace(self.frame[name].combine_chunks())
        self.fail(pc.equal(text, "").to_numpy(zero_copy_only=False), name, "id", "the contributor is missing")
        ids = np.asarray(text.to_numpy(zero_copy_only=False), dtype=np.str_)
        return np.unique(ids, return_inverse=True)[1].astype(np.int64)

    def stop_on_faults(self) -> None:
        """Raise `BadInput` with everything that was found."""
        if self.faults:
            raise BadInput(f"{len(self.faults)} fault(s)", where=self.file, faults=self.faults)
