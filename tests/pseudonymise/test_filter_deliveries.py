"""Filters at intake: the right length or quarantine, lists in JSON, and schemas that cannot let a filter through."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from enclave.errors import BadInput
from pseudonymise.delivery import check_file
from pseudonymise.formats import filter_list, read_batches
from pseudonymise.formats.batch import PlainFile
from pseudonymise.schemas import DeliverySchema


def schema(**changes: Any) -> DeliverySchema:
    column = {
        "name": "clk",
        "meaning_nl": "filter",
        "meaning_en": "filter",
        "type": "identifier",
        "kind": "clk",
        "bits": 128,
        "example": "x",
        "treatment": "drop",
    } | changes
    return DeliverySchema.model_validate(
        {
            "name": "clients",
            "version": 1,
            "title_nl": "x",
            "title_en": "x",
            "format": "json",
            "keys": ["clk"],
            "columns": [column],
            "tolerance": 1.0,
        }
    )


def clk(value: int) -> str:
    return base64.b64encode(value.to_bytes(16, "big")).decode()


def read(tmp_path: Path, content: str | bytes) -> list[Any]:
    path = tmp_path / "f.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [cell for batch in read_batches(PlainFile(path), schema()) for cell in batch.cells["clk"].to_pylist()]


def test_filters_of_another_length_empty_and_overfull_ones_are_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    values = [clk(0b1011), clk(2**128 - 1), clk(0), base64.b64encode(bytes(15)).decode(), "no base64 at all", ""]
    path.write_text(json.dumps({"clks": values}))
    report = check_file(path, schema(), "2016")
    assert (report.received, report.accepted, report.quarantined) == (6, 1, 5)
    assert {(fault.check, fault.rows) for fault in report.row_faults} == {
        ("failed_check", (2,)),
        ("all_zero", (3,)),
        ("malformed", (4, 5)),
        ("missing", (6,)),
    }
    assert "base64 at all" not in str(report)


@given(st.lists(st.text("AZaz09+/=", max_size=30), max_size=20), st.sampled_from([None, 1]), st.integers(1, 40))
def test_a_list_is_read_as_json_says_whatever_the_blocks(values: list[str], indent: int | None, block: int) -> None:
    content = json.dumps({"clks": values}, indent=indent).encode()

    class InMemory:
        name = "f.json"

        def stream(self) -> Any:
            import io

            return io.BytesIO(content)

        def whole(self) -> Any:
            raise AssertionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filter_list, "BLOCK", block)
        patch.setattr(filter_list, "_SMALL", 16)
        batches = list(filter_list.read_filter_list(InMemory(), schema()))
    assert [cell for batch in batches for cell in batch.cells["clk"].to_pylist()] == values
    assert pa.concat_arrays([b.rows for b in batches]).to_pylist() == list(range(1, len(values) + 1))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"clknblocks": [["AA==", "1"]]}',
        '{"clks": ["AA=="',
        '{"clks": ["AA==",]}',
        '{"clks": ["AA=="]} {"clks": []}',
        '{"clks": [1, 2]}',
        '{"clks": ["A\\u0041=="]}',
        '{"clks": ["AA==" "AA=="]}',
        b'{"clks": ["\xff\xfe"]',
        '{"clks": ["AA=="], "more": 1}',
    ],
)
def test_other_json_is_refused(tmp_path: Path, content: str | bytes) -> None:
    with pytest.raises(BadInput, match="list of filters"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    "changes",
    [
        {"bits": None},
        {"bits": 100},
        {"treatment": "keep"},
        {"treatment": "hash"},
        {"treatment": "coarsen:year"},
        {"kind": "bsn"},
    ],
)
def test_a_schema_cannot_let_a_filter_through_or_leave_its_length_open(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        schema(**changes)
