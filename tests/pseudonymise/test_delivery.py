"""The supplier's side: a report for a clerk, a manifest, a seal."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from enclave.errors import BadInput
from pseudonymise.delivery import check_file, describe, seal
from pseudonymise.manifest import parse_manifest, read_manifest
from pseudonymise.schemas import DeliverySchema, load_schema, load_schemas, period_years
from pseudonymise.sealing import MAX_HEAD, open_seal
from tests.pseudonymise.small_town import (
    CONFIGS,
    SCHEMAS,
    Enclave,
    csv_bytes,
    hemp_rows,
    manifest_fields,
)

HEMP = SCHEMAS["hemp_clearances"]


@pytest.fixture
def hemp_file(tmp_path: Path) -> Path:
    rows = hemp_rows(20)
    rows[3]["occupant_bsn"] = "123456789"
    rows[7]["occupant_bsn"] = "12"
    path = tmp_path / "hemp_clearances_2016.csv"
    path.write_bytes(csv_bytes(rows, encoding="utf-8-sig"))
    return path


def test_a_clerk_reads_what_is_wrong_and_where(hemp_file: Path) -> None:
    report = check_file(hemp_file, HEMP, "2016")
    assert str(report).splitlines() == [
        "hemp_clearances_2016.csv: can be delivered (schema hemp_clearances version 1, period 2016)",
        "  20 rows read: 18 good, 2 with faults (at most 10.0% may have)",
        "  - hemp_clearances_2016.csv, column occupant_bsn, row 4: fails the identifier's own check (a typing error?)",
        "  - hemp_clearances_2016.csv, column occupant_bsn, row 8: not of the form of this identifier"
        " (citizen service number: 9 digits, eleven-test)",
        "  · file: the file starts with a byte order mark and was read as UTF-8 (1)",
        "  Row 1 is the first row under the header. Values are never shown: look them up in your file."
        " In Excel that is row 2.",
    ]
    assert report.acceptable
    assert "123456789" not in repr(report)


def test_more_faults_than_fit_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "hemp.csv"
    path.write_bytes(csv_bytes([{**row, "postcode": "0000"} for row in hemp_rows(9)]))
    report = check_file(path, HEMP, "2016")
    assert "column postcode, row 1, 2, 3, 4, 5 and 4 more" in str(report)
    assert "9 of 9 rows are bad; the schema tolerates 10.0%" in str(report)
    assert "cannot be delivered like this" in str(report)
    assert {fault.check for fault in report.faults} == {"tolerance", "malformed"}


def test_a_file_that_cannot_be_read_is_reported_not_raised(tmp_path: Path) -> None:
    path = tmp_path / "hemp.csv"
    path.write_bytes(csv_bytes(hemp_rows(9))[:-20])
    report = check_file(path, HEMP, "2016")
    assert [fault.check for fault in report.fatal] == ["truncated"]
    assert not report.acceptable
    with pytest.raises(BadInput, match="no such file"):
        check_file(tmp_path / "none.csv", HEMP, "2016")
    with pytest.raises(BadInput, match="a period is a year"):
        check_file(path, HEMP, "last year")


def test_notes_show_the_first_rows(tmp_path: Path) -> None:
    path = tmp_path / "hemp.csv"
    path.write_bytes(csv_bytes([{**row, "postcode": "1234 ab"} for row in hemp_rows(9)]))
    assert "  · postcode, row 1, 2, 3, 4, 5 …: identifiers were brought" in str(check_file(path, HEMP, "2016"))


DECLARED: dict[str, Any] = {
    "supplier": "GM9001",
    "period": "2016",
    "legal_basis": "CBS-wet, artikel 33",
    "purpose": "risk factors of hemp farms",
    "retention_date": date(2030, 1, 1),
    "contact": "gegevensbeheer",
}


def test_a_checked_file_is_described_sealed_and_opened_again(hemp_file: Path, tmp_path: Path) -> None:
    enclave = Enclave.at(tmp_path)
    manifest = describe(hemp_file, HEMP, 20, **DECLARED)
    sealed = seal(hemp_file, manifest, enclave.custody.seal_recipient("demo"), tmp_path / "out")
    assert sealed.name == f"{manifest.delivery_id}.zicht"
    assert b"Verzonnen" not in sealed.read_bytes()
    opened = open_seal(sealed, enclave.custody.seal_identity("demo"))
    assert opened.manifest == manifest
    assert "AGE-SECRET" not in repr(opened)
    with opened.stream() as handle:
        assert handle.read() == hemp_file.read_bytes()
    with opened.whole() as path:
        assert path.read_bytes() == hemp_file.read_bytes()
    with opened.stream() as handle:
        assert handle.read(10) == hemp_file.read_bytes()[:10]  # a reader may stop early


def test_a_seal_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    from enclave.errors import Tampered

    enclave = Enclave.at(tmp_path)
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(3000)))
    sealed = enclave.seal(file, "hemp_clearances", 3000)
    opened = open_seal(sealed, enclave.custody.seal_identity("demo"))
    content = sealed.read_bytes()
    sealed.write_bytes(content[:-10])
    with pytest.raises(Tampered), opened.stream() as handle:
        handle.read()
    sealed.unlink()
    with pytest.raises(BadInput, match="no such sealed delivery"), opened.whole():
        pass


def test_a_file_too_large_for_memory_is_refused(
    hemp_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enclave = Enclave.at(tmp_path)
    sealed = enclave.seal_as(hemp_file, describe(hemp_file, HEMP, 20, **DECLARED))
    opened = open_seal(sealed, enclave.custody.seal_identity("demo"))
    monkeypatch.setattr("pseudonymise.sealing.MAX_IN_MEMORY", 10)
    with pytest.raises(BadInput, match="may hold at most"), opened.whole():
        pass


def test_nothing_is_sealed_that_the_manifest_does_not_describe(hemp_file: Path, tmp_path: Path) -> None:
    manifest = describe(hemp_file, HEMP, 20, **DECLARED)
    recipient = Enclave.at(tmp_path).custody.seal_recipient("demo")
    out = tmp_path / "out"
    with pytest.raises(BadInput, match="no age recipient"):
        seal(hemp_file, manifest, "age1nonsense", out)
    other = hemp_file.rename(hemp_file.with_name("other.csv"))
    with pytest.raises(BadInput, match="not the one"):
        seal(other, manifest, recipient, out)
    with pytest.raises(BadInput, match="no such file"):
        seal(hemp_file, manifest, recipient, out)
    assert not list(out.glob("*"))


def sealed_bytes(content: bytes, enclave: Enclave) -> Path:
    import pyrage

    recipient = pyrage.x25519.Recipient.from_str(enclave.custody.seal_recipient("demo"))
    path = enclave.home / "handmade.zicht"
    path.write_bytes(pyrage.encrypt(content, [recipient]))
    return path


def head(content: bytes) -> bytes:
    return b"zicht-delivery/1\n" + len(content).to_bytes(8, "big") + content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no delivery"),
        (b"zicht-delivery/2\nxxxxxxxxx", "holds no delivery"),
        (b"zicht-del", "holds no delivery"),
        (b"zicht-delivery/1\n" + (MAX_HEAD + 1).to_bytes(8, "big") + b"x", "too large"),
        (head(b"{}"), "not readable"),
        (head(b"[" * 100_000), "not readable"),
        (head(b'{"sizes":[1],"manifest":[]}'), "not a list of fields"),
        (head(b'{"sizes":[1],"manifest":{}}'), "the field is missing"),
    ],
)
def test_what_is_sealed_but_no_delivery_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    enclave = Enclave.at(tmp_path)
    with pytest.raises(BadInput, match=message):
        open_seal(sealed_bytes(content, enclave), enclave.custody.seal_identity("demo"))


def test_a_sealed_file_longer_or_shorter_than_its_head_says_is_refused(hemp_file: Path, tmp_path: Path) -> None:
    from enclave.fingerprints import canonical_json

    enclave = Enclave.at(tmp_path)
    manifest = describe(hemp_file, HEMP, 20, **DECLARED).as_json()
    content = head(canonical_json({"manifest": manifest, "sizes": [5]}))
    for data in (b"1234", b"123456"):
        with pytest.raises(BadInput, match="more or fewer bytes"):
            open_seal(sealed_bytes(content + data, enclave), enclave.custody.seal_identity("demo"))


def test_a_manifest_is_read_from_yaml_and_its_faults_are_told_at_once(hemp_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "manifest.yaml"
    fields = manifest_fields(hemp_file, "hemp_clearances", 20)
    path.write_text(yaml.safe_dump(fields))
    assert read_manifest(path) == parse_manifest(fields)
    del fields["purpose"]
    fields |= {"supplier": "GM 9001 999400131", "999400131": 1, "files": [{"name": "../x", "sha256": "0", "rows": -1}]}
    path.write_text(yaml.safe_dump(fields))
    with pytest.raises(BadInput) as caught:
        read_manifest(path)
    assert {fault.column for fault in caught.value.faults} == {
        "purpose",
        "supplier",
        "…",
        "files",
        "files.0.name",
        "files.0.sha256",
        "files.0.rows",
    }
    assert "999400131" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    path.write_text("a: [")
    with pytest.raises(BadInput, match="not readable as YAML"):
        read_manifest(path)
    with pytest.raises(BadInput, match="no such manifest"):
        read_manifest(tmp_path / "none.yaml")


@pytest.mark.parametrize(("period", "years"), [("2016", (2016, 2016)), ("1996-2015", (1996, 2015))])
def test_a_period_is_a_year_or_a_range_of_years(period: str, years: tuple[int, int]) -> None:
    assert period_years(period) == years


@pytest.mark.parametrize("period", ["", "16", "2016-2015", "2016-", "2016-01-01"])
def test_other_periods_are_refused(period: str) -> None:
    with pytest.raises(BadInput):
        period_years(period)


def fields_of(name: str) -> dict[str, Any]:
    fields: dict[str, Any] = yaml.safe_load((CONFIGS / "schemas" / f"{name}.yaml").read_text(encoding="utf-8"))
    return fields


@pytest.mark.parametrize(
    ("column", "changes", "message"),
    [
        ("plants", {"treatment": None}, "string"),
        ("plants", {"treatment": "publish"}, "pattern"),
        ("plants", {"treatment": "hash"}, "only checked identifiers"),
        ("plants", {"kind": "bsn"}, "have a kind"),
        ("plants", {"codes": {"1": "x"}}, "list their codes"),
        ("remark", {"minimum": 1}, "only numbers"),
        ("remark", {"treatment": "keep"}, "never just kept"),
        ("remark", {"pattern": "("}, "no regular expression"),
        ("occupant_bsn", {"treatment": "keep"}, "an identifier is never kept"),
        ("occupant_name", {"treatment": "text-scan"}, "a direct identifier"),
        ("occupant_name", {"name": "dossier"}, "same name"),
        ("dossier", {"name": "case"}, "not declared: dossier"),
    ],
)
def test_a_schema_that_contradicts_itself_is_refused(
    tmp_path: Path, column: str, changes: dict[str, Any], message: str
) -> None:
    fields = fields_of("hemp_clearances")
    fields["columns"] = [{**c, **changes} if c["name"] == column else c for c in fields["columns"]]
    path = tmp_path / "hemp_clearances.yaml"
    path.write_text(yaml.safe_dump(fields))
    with pytest.raises(BadInput, match=message):
        load_schema(path)


def test_every_column_of_every_schema_says_its_treatment() -> None:
    for schema in SCHEMAS.values():
        assert all(column.treatment for column in schema.columns)
    without = fields_of("hemp_clearances")
    del without["columns"][0]["treatment"]
    with pytest.raises(ValueError, match="treatment"):
        DeliverySchema(**without)


def test_schema_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such schema"):
        load_schema(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(BadInput, match="not readable"):
        load_schema(tmp_path / "bad.yaml")
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(fields_of("hemp_clearances")))
    with pytest.raises(BadInput, match="differs from its file"):
        load_schemas(tmp_path)


def test_the_examples_of_the_schemas_hold() -> None:
    """Each column's own example passes its own checks."""
    import pyarrow as pa

    from pseudonymise.conversion import convert

    for schema in SCHEMAS.values():
        for column in schema.columns:
            converted = convert(column, schema, pa.array([column.example]))
            assert converted.form.tolist() == [0], (schema.name, column.name)
            if column.codes:
                assert column.example in column.codes
