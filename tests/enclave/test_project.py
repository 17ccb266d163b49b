"""The project file: everything a run does follows from it; what contradicts itself is refused with all faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from enclave.errors import BadInput, Refused
from enclave.project import load_project

CHECKOUT = Path(__file__).resolve().parents[2]
GOOD: dict[str, Any] = {
    "name": "demo",
    "title": "A demonstration",
    "legal_basis": "a law",
    "purpose": "statistics on pass-through homes by area",
    "start": "2026-01-01",
    "retention_date": "2031-12-31",
    "controller": "the office",
    "researchers": ["r-anna"],
    "policy": "cbs_ra",
    "deliveries": [{"schema": "property_tax", "period": "2016", "suppliers": "municipalities"}],
    "data": {
        "dwellings": {"register": "BouwenWonen/X", "keys": [{"name": "dwelling", "kind": "object", "source": ["RIN"]}]},
        "taxes": {"delivery": "property_tax", "keys": [{"name": "payer", "kind": "person", "source": ["bsn"]}]},
    },
    "questions": {
        "V3": {"text": "How many?", "uses": {"dwellings": ["woz", "type"], "taxes": ["value"]}},
        "V4": {"text": "How often?", "uses": {"dwellings": ["type", "area"]}},
    },
    "analyses": [{"name": "doorsluis", "version": 1, "question": "V3", "parameters": {"k": 5}}],
}


def written(folder: Path, **changed: Any) -> Path:
    """The project file with some fields changed; None removes one."""
    fields = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    path = folder / "demo.yaml"
    path.write_text(yaml.safe_dump(fields, allow_unicode=True), encoding="utf-8")
    return path


def refused(path: Path) -> BadInput:
    """The error that a project file gives."""
    with pytest.raises(BadInput) as raised:
        load_project(path)
    assert raised.value.where == path.name
    return raised.value


def test_a_good_project_file_is_read(tmp_path: Path) -> None:
    project = load_project(written(tmp_path))
    assert project.sandbox == "required"
    assert project.deliveries[0].schema_name == "property_tax"
    assert project.data["dwellings"].register_file == "BouwenWonen/X"
    assert project.analysis("doorsluis").parameters == {"k": 5}


def test_the_columns_of_a_data_set_are_those_of_all_questions(tmp_path: Path) -> None:
    project = load_project(written(tmp_path))
    assert project.declared_columns("dwellings") == ("area", "type", "woz")
    assert project.declared_columns("taxes") == ("value",)
    assert project.declared_columns("nothing") == ()


def test_an_analysis_that_the_project_does_not_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="runs no analysis other"):
        load_project(written(tmp_path)).analysis("other")


@pytest.mark.parametrize(
    ("changed", "column"),
    [
        ({"purpose": "too short"}, "purpose"),
        ({"purpose": None}, "purpose"),
        ({"name": "Demo"}, "name"),
        ({"name": "../demo"}, "name"),
        ({"sandbox": "none"}, "sandbox"),
        ({"start": "soon"}, "start"),
        ({"surprise": 1}, "surprise"),
        ({"questions": {"v3": {"text": "x", "uses": {}}}}, "questions.v3.[key]"),
        ({"data": {"x": {"keys": [{"name": "k", "kind": "person", "source": ["b"]}]}}}, "data.x"),
        (
            {
                "data": {
                    "x": {"register": "r", "delivery": "d", "keys": [{"name": "k", "kind": "person", "source": ["b"]}]}
                }
            },
            "data.x",
        ),
        ({"data": {"x": {"register": "r", "keys": []}}}, "data.x.keys"),
        (
            {"data": {"x": {"register": "r", "keys": [{"name": "k", "kind": "car", "source": ["b"]}]}}},
            "data.x.keys.0.kind",
        ),
        ({"analyses": [{"name": "a", "version": 0, "question": "V3"}]}, "analyses.0.version"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, changed: dict[str, Any], column: str) -> None:
    assert column in {fault.column for fault in refused(written(tmp_path, **changed)).faults}


def test_all_wrong_fields_are_named_at_once(tmp_path: Path) -> None:
    error = refused(written(tmp_path, purpose="x", policy="", start=None))
    assert {fault.column for fault in error.faults} == {"purpose", "policy", "start"}


def test_contradictions_are_named_at_once(tmp_path: Path) -> None:
    error = refused(
        written(
            tmp_path,
            questions={"V3": {"text": "?", "uses": {"unknown": ["a"], "dwellings": ["b"]}}},
            analyses=[{"name": "a", "version": 1, "question": "V9"}],
        )
    )
    assert [fault.message for fault in error.faults] == [
        "question V3 uses data set unknown, which is not declared",
        "analysis a answers question V9, which is not declared",
    ]


@pytest.mark.parametrize(
    "content", [b"a: [", b"- 1", b"3", b"", b"\xff\xfe", b"1: 2", b"a: !!python/object:os.system x"]
)
def test_what_is_no_project_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "demo.yaml").write_bytes(content)
    refused(tmp_path / "demo.yaml")


def test_a_missing_project_file_says_so(tmp_path: Path) -> None:
    assert "no such project file" in str(refused(tmp_path / "none.yaml"))


@pytest.mark.parametrize("path", sorted((CHECKOUT / "configs/projects").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_project_holds(path: Path) -> None:
    project = load_project(path)
    assert project.name == path.stem
    assert project.start < project.retention_date
