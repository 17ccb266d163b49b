"""Readers of delivered files: CSV, XLSX, SPSS, JSON; all yield batches of text columns with record numbers."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from enclave.errors import BadInput, Fault
from pseudonymise.formats.batch import Batch, Source
from pseudonymise.formats.header import Schemas
from pseudonymise.schemas import DeliverySchema


def read_batches(source: Source, schema: DeliverySchema, others: Schemas = tuple) -> Iterator[Batch]:
    """The records of a delivered file, in bounded batches; ``others`` are schemas whose file it may be instead.

    Raises:
        BadInput: the file as a whole cannot be read as the schema says; its ``faults`` list everything found.
    """
    form = schema.format_of(source.name)
    if form == "csv":
        from pseudonymise.formats.delimited import read_delimited as read
    elif form == "xlsx":
        from pseudonymise.formats.workbook import read_workbook as read
    elif form == "json":
        from pseudonymise.formats.filter_list import read_filter_list as read
    else:
        from pseudonymise.formats.spss import read_spss as read
    try:
        yield from read(source, schema, others)
        return
    except (pa.ArrowException, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        pass  # a damaged file that a library half understood; its message may hold a cell, so it is let go
    message = "the file is damaged: it opens, but what it holds does not fit together"
    raise BadInput("the file cannot be read", where=source.name, faults=[Fault(source.name, "format", message)])
