"""Text cells of a whole column, looked at as bytes: which are empty, and which need the slow way.

Most cells of most columns are written as the schema asks. They are recognised at a few nanoseconds each in the byte
buffer; only the rest goes through regular expressions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from enclave.identifier_forms import as_strings, byte_view, outer_spaces

Bools: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cells:
    """A column without nulls and outer spaces: the text as it came (``raw``) and trimmed, and where each value lies."""

    raw: Any
    text: Any
    starts: Ints
    lengths: Ints
    data: NDArray[np.uint8]

    @classmethod
    def of(cls, values: Any) -> Cells:
        """The cells of a string array or chunked array; null is empty."""
        raw = without_nulls(as_strings(values))
        starts, lengths, data = byte_view(raw)
        odd = outer_spaces(starts, lengths, data)
        if not odd.size:
            return cls(raw, raw, starts, lengths, data)
        mask = np.zeros(len(raw), dtype=np.bool_)
        mask[odd] = True
        text = pc.replace_with_mask(raw, pa.array(mask), pc.utf8_trim_whitespace(raw.take(pa.array(odd))))
        return cls(raw, text, *byte_view(text))

    @property
    def empty(self) -> Bools:
        """Cells without text."""
        found: Bools = self.lengths == 0
        return found

    def holds(self, test: Callable[[NDArray[np.uint8]], Any]) -> bool:
        """Whether any byte of the column, outer spaces included, passes."""
        starts, lengths, data = byte_view(self.raw) if self.raw is not self.text else (self.starts, None, self.data)
        if not len(starts):
            return False
        last = self.lengths[-1] if lengths is None else lengths[-1]
        return bool(test(data[starts[0] : starts[-1] + last]).any())


def without_nulls(texts: Any) -> Any:
    """Null as empty text; where nulls take no bytes, as in what the CSV reader makes, by leaving their bitmap out."""
    if not texts.null_count:
        return texts
    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, dtype=np.int32, count=texts.offset + len(texts) + 1)[texts.offset :]
    if np.diff(places)[~texts.is_valid().to_numpy(zero_copy_only=False)].any():
        return pc.fill_null(texts, "")
    return pa.StringArray.from_buffers(len(texts), offsets, data, None, 0, texts.offset)
