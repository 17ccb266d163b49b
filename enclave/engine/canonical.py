"""Types that both engines agree on, and the total order of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from enclave.errors import BadInput

BATCH_ROWS = 64 * 1024


def canonical_type(given: pa.DataType) -> pa.DataType:
    """One type per kind of value: int64, float64, decimal128(38, scale > 0), string, binary, date32, timestamp[us].

    Whole decimals become int64: the engines give counts and sums of integers as several types.
    """
    types = pa.types
    if types.is_decimal(given):
        return pa.int64() if given.scale == 0 else pa.decimal128(38, given.scale)
    if types.is_list(given) or types.is_large_list(given):
        return pa.list_(pa.field("item", canonical_type(given.value_type)))
    if types.is_struct(given):
        return pa.struct([pa.field(field.name, canonical_type(field.type)) for field in given])
    if types.is_dictionary(given):
        return canonical_type(given.value_type)
    for matches, wanted in (
        (types.is_integer, pa.int64()),
        (types.is_floating, pa.float64()),
        (types.is_string, pa.string()),
        (types.is_large_string, pa.string()),
        (types.is_binary, pa.binary()),
        (types.is_large_binary, pa.binary()),
        (types.is_fixed_size_binary, pa.binary()),
        (types.is_date, pa.date32()),
        (types.is_timestamp, pa.timestamp("us")),
        (types.is_boolean, pa.bool_()),
        (types.is_null, pa.null()),
    ):
        if matches(given):
            return wanted
    raise BadInput(f"a column of type {given} has no canonical form", next_step="cast it in the query")


def canonical_schema(given: pa.Schema) -> pa.Schema:
    """``given`` with canonical types, nullable, without metadata."""
    return pa.schema([pa.field(field.name, canonical_type(field.type)) for field in given])


def canonical_batches(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """``batches`` cast to the canonical ``schema``; an integer beyond 64 bits is :class:`BadInput`."""
    for batch in batches:
        try:
            arrays = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
        except pa.ArrowInvalid:
            raise BadInput("a result does not fit in 64 bits", next_step="scale the measure down") from None
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def total_order(columns: Sequence[str], order_by: Sequence[str]) -> list[str]:
    """The columns to order rows by: ``order_by``, then every other column.

    Raises:
        BadInput: ``order_by`` names no column of the result, or the result has two columns of one name.
    """
    if len(set(columns)) < len(columns):
        raise BadInput("the result has two columns of one name", next_step="rename one in the query")
    unknown = [name for name in order_by if name not in columns]
    if unknown:
        raise BadInput(f"the result has no column {', '.join(unknown)} to order by")
    first = list(dict.fromkeys(order_by))
    return first + [name for name in columns if name not in first]
