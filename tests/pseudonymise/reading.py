"""Deliveries of two texts, written and read: batches, refusals, and rows as they came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from enclave.errors import BadInput
from pseudonymise.formats import read_batches
from pseudonymise.formats.batch import Batch, PlainFile
from pseudonymise.schemas import DeliverySchema

CANARY = "999400131"


def two_columns(form: str = "csv", **changes: Any) -> DeliverySchema:
    """A schema of two texts, of which the second may be empty."""
    column = {"meaning_nl": "tekst", "meaning_en": "text", "type": "text", "example": "x", "treatment": "text-scan"}
    columns = [{**column, "name": "first"}, {**column, "name": "second", "nullable": True}]
    fields = {"name": "two", "version": 1, "title_nl": "twee", "title_en": "two", "format": form, "keys": ["first"]}
    return DeliverySchema.model_validate({**fields, "columns": columns, "tolerance": 1, **changes})


def batches(tmp_path: Path, content: bytes, schema: DeliverySchema | None = None) -> list[Batch]:
    path = tmp_path / f"two.{(schema or two_columns()).format}"
    path.write_bytes(content)
    return list(read_batches(PlainFile(path), schema or two_columns()))


def faults(tmp_path: Path, content: bytes, schema: DeliverySchema | None = None) -> dict[str, tuple[int, ...]]:
    with pytest.raises(BadInput) as caught:
        batches(tmp_path, content, schema)
    return {fault.check: fault.rows for fault in caught.value.faults}


def rows_of(found: list[Batch]) -> list[tuple[int, str | None, str | None]]:
    return [
        row
        for batch in found
        for row in zip(
            batch.rows.to_pylist(),
            batch.cells.column("first").to_pylist(),
            batch.cells.column("second").to_pylist(),
            strict=True,
        )
    ]


def broken_of(found: list[Batch]) -> list[tuple[int, str, str]]:
    return [(row.row, row.defect, row.raw) for batch in found for row in batch.broken]
