"""Lists of filters in JSON, ``{"clks": ["base64", …]}``, as clkhash writes and anonlink reads them; block by block."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from enclave.errors import BadInput, Fault
from pseudonymise.formats.batch import BLOCK, Batch, Source, blocks
from pseudonymise.formats.header import Schemas
from pseudonymise.schemas import MAX_CELL, DeliverySchema

_HEAD = re.compile(rb'^\s*\{\s*"clks"\s*:\s*\[\s*')
_ITEM = re.compile(rb'\s*"([^"\\\x00-\x1f]*)"\s*(,|\])\s*')
_TAIL = re.compile(rb"^\s*\}\s*$")
_SMALL = 1 << 16


def read_filter_list(source: Source, schema: DeliverySchema, others: Schemas = tuple) -> Iterator[Batch]:
    """The filters, numbered from 1; the only column of the schema.

    Raises:
        BadInput: other JSON than a list of texts under ``clks``, or cut off.
    """
    name = schema.names[0]
    with source.stream() as handle:
        parts = blocks(handle, BLOCK)
        rest = next(parts, b"")
        while len(rest) < _SMALL and (more := next(parts, b"")):
            rest += more
        head = _HEAD.match(rest)
        if head is None:
            raise _refused(source.name, 'it does not begin with {"clks": [')
        rest, done, ended = rest[head.end() :], 0, False
        if rest[:1] == b"]":
            rest, ended = rest[1:], True
            yield _batch([], 0, name)
        while not ended:
            found, rest, ended = _items(rest)
            if found:
                yield _batch(found, done, name)
            done += len(found)
            if not ended:
                more = next(parts, b"")
                if not more or len(rest) > MAX_CELL:
                    raise _refused(source.name, "it is cut off, or holds something else than texts")
                rest += more
        for more in parts:
            rest += more
            if len(rest) > _SMALL:
                break
        if not _TAIL.match(rest):
            raise _refused(source.name, "something stands behind the list")


def _items(text: bytes) -> tuple[list[bytes], bytes, bool]:
    """The whole items at the beginning, what is left, and whether the list ended."""
    found, at = [], 0
    while (item := _ITEM.match(text, at)) is not None:
        found.append(item[1])
        at = item.end()
        if item[2] == b"]":
            return found, text[at:], True
    return found, text[at:], False


def _batch(texts: list[bytes], done: int, name: str) -> Batch:
    rows = pa.array(np.arange(done + 1, done + 1 + len(texts)), pa.int64())
    cells = pa.array([text.decode("utf-8", "replace") for text in texts], pa.string())
    return Batch(rows, pa.table({name: cells}))


def _refused(file: str, message: str) -> BadInput:
    return BadInput(
        "the list of filters cannot be read",
        where=file,
        faults=[Fault(file, "format", message)],
        next_step='deliver {"clks": [...]} as clkhash writes it, or a CSV with a column of filters',
    )
