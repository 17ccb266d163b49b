"""From identified to pseudonymised: what stays, what goes, what is refused, and that bytes are the same each time."""

from __future__ import annotations

import hmac
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives import cmac as library
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from enclave.entropy import SeededEntropy
from enclave.errors import BadInput, KeyUnavailable, Refused, Tampered, WrongZone
from enclave.frames import Frame, open_frame
from enclave.identifiers import Reason
from enclave.zones import Identified, Pseudonymised, Zone
from pseudonymise.coarsening import coarsening
from pseudonymise.custody import CMAC, HMAC, Custody
from pseudonymise.identifier_hashing import IdentifierHasher
from pseudonymise.pseudonymise import PseudonymisationReport, pseudonymise
from pseudonymise.schemas import ColumnSpec, DeliverySchema, load_schemas
from tests.canary_search import Canaries, leaking_files
from tests.conftest import CHECKOUT
from tests.pseudonymise.invented_deliveries import PROJECT, bsns, column, identified, schema, table

PASSPHRASE = b"een lange zin voor de sleutels"


@pytest.fixture
def custody(tmp_path: Path) -> Custody:
    return Custody.create(tmp_path / "keys", PASSPHRASE, SeededEntropy(1))


def run(tmp_path: Path, custody: Custody, content: pa.Table, **how: Any) -> Frame[Pseudonymised]:
    frame = how.pop("frame", None) or identified(tmp_path / "identified/x.parquet", content)
    settings = {"schema": schema(), "project": PROJECT, "custody": custody, "out": tmp_path / "pseudonymised/x.parquet"}
    return pseudonymise(frame, **{**settings, **how})


def replaced(content: pa.Table, name: str, values: list[Any]) -> pa.Table:
    return content.set_column(
        content.schema.get_field_index(name), name, pa.array(values, content.schema.field(name).type)
    )


def refusal(tmp_path: Path, custody: Custody, content: pa.Table, **how: Any) -> str:
    with pytest.raises(Refused) as refused:
        run(tmp_path, custody, content, **how)
    assert not list((tmp_path / "pseudonymised").glob("**/*")) or "left behind" not in str(refused.value)
    return str(refused.value)


def test_only_declared_and_treated_columns_remain(tmp_path: Path, custody: Custody) -> None:
    frame = run(tmp_path, custody, table(50))
    roles = {c.name: (c.type, c.role) for c in frame.manifest.columns}
    assert roles == {
        "bsn_hash": ("fixed_size_binary[16]", "key:bsn"),
        "bag_id_hash": ("fixed_size_binary[16]", "key:bag"),
        "kvk_hash": ("fixed_size_binary[16]", "key:kvk"),
        "dossier_hash": ("fixed_size_binary[16]", "key:own_number"),
        "postcode_pc4": ("string", "attribute"),
        "birth_date_year": ("int64", "attribute"),
        "amount": ("double", "attribute"),
        "remark": ("string", "text"),
    }
    assert (frame.rows, frame.manifest.zone) == (50, Zone.PSEUDONYMISED)


def test_hashes_are_the_published_algorithms_under_the_keys_that_the_manifest_names(
    tmp_path: Path, custody: Custody
) -> None:
    content = table(50)
    frame = run(tmp_path, custody, content)
    written = pq.read_table(frame.path)
    for kind, source in (("bsn", "bsn"), ("bag", "bag_id"), ("kvk", "kvk")):
        expected = []
        for value in content.column(source).to_pylist():
            tag = library.CMAC(AES(custody.hash_key(PROJECT, kind)))
            tag.update((value or "").encode())
            expected.append(tag.finalize() if value else None)
        assert written.column(f"{source}_hash").to_pylist() == expected
        key_id = custody.hash_key_id(PROJECT, kind)
        assert frame.manifest.key_ids[f"{source}_hash"] == f"aes-cmac;v1;{key_id}"
    key = custody.hash_key(PROJECT, "own_number", algorithm=HMAC)
    assert written.column("dossier_hash").to_pylist() == [
        hmac.digest(key, value.encode(), "sha256")[:16] for value in content.column("dossier").to_pylist()
    ]
    assert frame.manifest.key_ids["dossier_hash"].startswith("hmac-sha256;v1;demo/own_number/v1/")


def test_the_manifest_says_where_it_came_from(tmp_path: Path, custody: Custody) -> None:
    manifest = run(tmp_path, custody, table(5)).manifest
    assert manifest.parents == {"delivery": "ab" * 32}
    assert manifest.made_by == "pseudonymise/invented/v3"
    assert (manifest.name, manifest.project) == ("invented_2016_GM9001", PROJECT)
    assert (manifest.period, manifest.retention_date) == ("2016", "2030-06-30")


def test_a_frame_without_parents_gets_its_own_digest_as_parent(tmp_path: Path, custody: Custody) -> None:
    frame = identified(tmp_path / "identified/x.parquet", table(5))
    orphan = replace(frame, manifest=frame.manifest.model_copy(update={"parents": {}}))
    assert run(tmp_path, custody, table(5), frame=orphan).manifest.parents == {"invented_2016_GM9001": frame.digest()}


def test_values_are_coarsened_and_kept_as_declared(tmp_path: Path, custody: Custody) -> None:
    content = replaced(table(3), "birth_date", ["19400615", None, "onbekend"])
    written = pq.read_table(run(tmp_path, custody, replaced(content, "postcode", ["1234 ab", None, "x"])).path)
    assert written.column("birth_date_year").to_pylist() == [1940, None, None]
    assert written.column("postcode_pc4").to_pylist() == ["1234", None, None]
    assert written.column("amount").equals(content.column("amount"))
    assert written.column("remark").to_pylist() == [None, "kelder; stroom afgetapt", None]


@pytest.mark.parametrize("given", [pa.string(), pa.date32()])
def test_kept_dates_become_dates(tmp_path: Path, custody: Custody, given: pa.DataType) -> None:
    texts = ["20160229", None, "" if given == pa.string() else None]
    dates = pa.array(texts) if given == pa.string() else pa.array([date(2016, 2, 29), None, None])
    content = table(3).append_column("day", dates)
    frame = run(tmp_path, custody, content, schema=schema(column("day", "date", "keep")))
    assert pq.read_table(frame.path).column("day").to_pylist() == [date(2016, 2, 29), None, None]


def test_what_is_no_date_in_a_date_column_is_bad_input_that_does_not_show_it(tmp_path: Path, custody: Custody) -> None:
    content = table(2).append_column("day", pa.array(["20160229", bsns(1)[0]]))
    with pytest.raises(BadInput, match="holds what is no date") as found:
        run(tmp_path, custody, content, schema=schema(column("day", "date", "keep")))
    assert bsns(1)[0] not in str(found.value)


def test_years_are_read_from_every_way_to_write_a_date() -> None:
    year = coarsening("year").apply
    assert year(pa.array(["19800229", "1980-02-29", "29-02-1980", "1-2-1980", "1980"])).to_pylist() == [1980] * 4 + [
        None
    ]
    assert year(pa.array([date(1980, 2, 29), None])).to_pylist() == [1980, None]
    assert year(pa.array([date(1980, 2, 29)]).cast(pa.timestamp("s"))).to_pylist() == [1980]


@pytest.mark.parametrize(
    ("kind", "rule", "message"),
    [("birth_date", "weekday", "no such coarsening rule"), ("birth_date", "pc4", "another kind of column"),
     ("postcode", "year", "another kind of column")],
)  # fmt: skip
def test_a_schema_with_a_rule_that_does_not_exist_or_does_not_fit_is_refused(
    kind: str, rule: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        column("grade", kind, f"coarsen:{rule}")
    with pytest.raises(Refused, match=r"no coarsening rule weekday(.|\n)*coarsen:year"):
        coarsening("weekday")


def test_near_identifiers_become_bands_of_years_and_first_figures() -> None:
    dates = pa.array(["19690615", "1970-01-01", "31-12-1979", "x", None])
    assert coarsening("five_years").apply(dates).to_pylist() == [1965, 1970, 1975, None, None]
    assert coarsening("decade").apply(dates).to_pylist() == [1960, 1970, 1970, None, None]
    codes = pa.array(["1234 ab", "1234AB", "12", None])
    assert coarsening("pc4").apply(codes).to_pylist() == ["1234", "1234", None, None]
    assert coarsening("pc2").apply(codes).to_pylist() == ["12", "12", None, None]


def test_unusable_identifiers_keep_a_null_hash_and_are_counted(tmp_path: Path, custody: Custody) -> None:
    good = bsns(1)[0]
    content = replaced(table(6), "bsn", [good, good.lstrip("0"), None, "", "123456789", "000000000"])
    told: list[PseudonymisationReport] = []
    written = pq.read_table(run(tmp_path, custody, content, report=told.append).path).column("bsn_hash").to_pylist()
    assert written[0] == written[1] is not None
    assert written[2:] == [None] * 4
    assert dict(told[0].identifiers["bsn"]) == {
        Reason.OK: 2,
        Reason.MISSING: 2,
        Reason.MALFORMED: 0,
        Reason.FAILED_CHECK: 1,
        Reason.ALL_ZERO: 1,
        Reason.TEST: 0,
        Reason.UNKNOWN: 0,
    }
    assert told[0].rows == 6


def test_the_same_person_has_the_same_hash_in_all_files_of_a_project_and_another_in_another_project(
    tmp_path: Path, custody: Custody
) -> None:
    hashes: dict[str, set[bytes]] = {}
    for number, project in enumerate(("demo", "demo", "other")):
        frame = identified(tmp_path / f"identified/{number}.parquet", table(50, seed=number), project=project)
        made = run(tmp_path, custody, table(1), frame=frame, project=project, out=tmp_path / f"p/{number}.parquet")
        columns = pq.read_table(made.path)
        hashes[str(number)] = {
            value
            for name in columns.column_names
            if name.endswith("_hash")
            for value in columns.column(name).to_pylist()
        } - {None}
    assert hashes["0"] == hashes["1"]
    assert len(hashes["0"]) > 100
    assert not hashes["0"] & hashes["2"]


def test_a_number_has_another_hash_as_bsn_than_as_rsin(custody: Custody) -> None:
    hasher = IdentifierHasher(PROJECT, custody)
    values = pa.array(bsns(20))
    assert not set(hasher("bsn", values).to_pylist()) & set(hasher("rsin", values).to_pylist())


def test_the_hasher_for_the_key_register_gives_the_hashes_and_key_ids_of_deliveries(
    tmp_path: Path, custody: Custody
) -> None:
    content = table(30)
    frame = run(tmp_path, custody, content)
    hasher = IdentifierHasher(PROJECT, custody)
    assert hasher("bsn", content.column("bsn")).equals(pq.read_table(frame.path).column("bsn_hash").combine_chunks())
    assert hasher.key_ids(["bsn"])["bsn"] == frame.manifest.key_ids["bsn_hash"]
    assert repr(hasher) == "IdentifierHasher(demo, v1)"


def test_another_version_or_algorithm_gives_other_hashes_and_says_so(tmp_path: Path, custody: Custody) -> None:
    for version in (2, 3):
        custody.add_hash_version(version)
    custody.fix_hash_algorithm(PROJECT, 3, HMAC)
    custody.fix_hash_algorithm(PROJECT, 3, CMAC)  # too late: what a version hashes with stays
    made = [
        run(tmp_path, custody, table(20), out=tmp_path / f"p/{version}.parquet", hash_version=version)
        for version in (1, 2, 3)
    ]
    columns = [set(pq.read_table(frame.path).column("bsn_hash").to_pylist()) for frame in made]
    assert not columns[0] & columns[1]
    assert not columns[1] & columns[2]
    assert [f.manifest.key_ids["bsn_hash"].rsplit("/", 1)[0] for f in made] == [
        "aes-cmac;v1;demo/bsn/v1",
        "aes-cmac;v2;demo/bsn/v2",
        "hmac-sha256;v3;demo/bsn/v3",
    ]
    with pytest.raises(BadInput, match="no hash algorithm"):
        custody.fix_hash_algorithm(PROJECT, 4, "md5")
    with pytest.raises(KeyUnavailable):
        run(tmp_path, custody, table(20), hash_version=4)


def test_the_same_input_and_keys_give_the_same_bytes_whatever_the_identified_zone_looks_like(
    tmp_path: Path, custody: Custody
) -> None:
    """Once plain and once encrypted, under another folder and a key store of its own from the same seed."""
    first = run(tmp_path, custody, table(2000))
    elsewhere = tmp_path / "elsewhere"
    other = Custody.create(elsewhere / "keys", b"another passphrase", SeededEntropy(1))
    hidden = identified(
        elsewhere / "i.parquet", table(2000), encryption=other.encryption(PROJECT, date(2030, 6, 30)), custody=other
    )
    second = run(elsewhere, other, table(1), frame=hidden)
    assert first.path.read_bytes() == second.path.read_bytes()


def test_an_encrypted_output_opens_under_the_custody_only(tmp_path: Path, custody: Custody) -> None:
    frame = run(tmp_path, custody, table(20), encryption=custody.encryption(PROJECT, date(2030, 6, 30)))
    assert frame.rows == 20
    with pytest.raises(Tampered):
        open_frame(frame.path, Pseudonymised)


SHIPPED = load_schemas(CHECKOUT / "configs" / "schemas")


def example_of(declared: ColumnSpec, written: str) -> pa.Array:
    """The schema's own example as the identified zone holds it; ``written``: how the schema writes dates."""
    text = declared.example
    if declared.type in ("integer", "decimal"):
        number = float(text.replace(",", "."))
        return pa.array([number] * 3, pa.int64() if declared.type == "integer" else pa.float64())
    if "date" in (declared.type, declared.kind) or declared.kind == "birth_date":
        day = datetime.strptime(text, written).date()
        text = f"{day:%Y%m%d}"
        if declared.type == "date":
            return pa.array([day] * 3)
    return pa.array([text] * 3)


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_no_direct_identifier_of_a_shipped_schema_survives(tmp_path: Path, custody: Custody, name: str) -> None:
    """No column of one, and none of the schema's own examples in any shape: shorter ones in no cell."""
    shipped = SHIPPED[name]
    dates = {"dd-mm-yyyy": "%d-%m-%Y", "yyyy-mm-dd": "%Y-%m-%d", "yyyymmdd": "%Y%m%d"}[shipped.date_format]
    content = pa.table({c.name: example_of(c, dates) for c in shipped.columns})
    frame = run(tmp_path, custody, content.append_column("record", pa.array([2, 3, 4])), schema=shipped)
    direct = {c.name for c in shipped.columns if c.kind}
    written = {c.name for c in frame.manifest.columns}
    assert not direct & written
    assert {f"{c.name}_hash" for c in shipped.columns if c.treatment == "hash"} <= written
    examples = {content[each][0].as_py() for each in direct}
    planted = Canaries(examples)
    assert leaking_files([tmp_path / "identified"], planted) != []
    assert leaking_files([frame.path.parent], planted) == []
    cells = {cell for column in pq.read_table(frame.path).columns for cell in column.to_pylist()}
    assert not examples & cells


def leaky(rows: int = 70_000) -> pa.Table:
    """Leaks in rows 10, 66 000 (second batch) and 66 001, as record numbers 12, 66 002 and 66 003."""
    content = table(rows)
    remarks = content.column("remark").to_pylist()
    remarks[10] = f"zie {bsns(1)[0]}"
    remarks[66_000] = f"gebeld met {content.column('surname')[3].as_py().lower()}"
    remarks[66_001] = "bel 06-12345678"
    return replaced(content, "remark", remarks)


def test_one_leak_in_free_text_refuses_the_whole_delivery_with_counts_and_rows(
    tmp_path: Path, custody: Custody
) -> None:
    message = refusal(tmp_path, custody, leaky())
    assert "nothing was written" in message
    for row in ("row 12:", "row 66002:", "row 66003:"):
        assert row in message
    assert not (tmp_path / "pseudonymised/x.parquet").exists()
    assert not list((tmp_path / "pseudonymised").iterdir())


def test_a_record_number_of_the_supplier_in_the_text_is_a_leak(tmp_path: Path, custody: Custody) -> None:
    message = refusal(tmp_path, custody, replaced(table(3), "remark", [None, "zie dossier HD-00001", None]))
    assert "column remark, row 3: holds a number, postcode or street of the same record" in message


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("foreign", "BE:85073003328", "BE 85.07.30-033.28"),
        ("foreign", "MA:AB123456", "nr ab-123 456"),
        ("licence_plate", "AE1234", "zag ae-12-34"),
        ("postcode", "1234AB", "post op 1234 ab bezorgd"),
        ("street", "Oude Molenhof", "op de oude  molenhof gezien"),
        ("iban", "MA64011519000001205000534921", "rek 011519-000001205000534921 of MA64.011519000001205000534921"),
    ],
)
def test_any_identifier_of_the_record_in_its_own_text_is_a_leak_however_spelt(
    tmp_path: Path, custody: Custody, kind: str, value: str, text: str
) -> None:
    content = replaced(table(3), "remark", [None, text, None]).append_column("other", pa.array([None, value, None]))
    declared = schema(column("other", kind, "drop"))
    message = refusal(tmp_path, custody, content, schema=declared)
    assert "column remark, row 3: holds a number, postcode or street of the same record" in message
    elsewhere = content.set_column(content.schema.get_field_index("other"), "other", pa.array([None, "x", value]))
    assert "row 3: holds a number, postcode or street" not in _refused_or_not(tmp_path, custody, elsewhere, declared)


def _refused_or_not(tmp_path: Path, custody: Custody, content: pa.Table, declared: DeliverySchema) -> str:
    frame = identified(tmp_path / "identified/elsewhere.parquet", content)
    try:
        run(tmp_path, custody, content, frame=frame, schema=declared)
    except Refused as refused:
        return str(refused)
    return ""


def test_a_kept_column_that_is_one_of_foreign_numbers_refuses_the_delivery(tmp_path: Path, custody: Custody) -> None:
    numbers = [n * 100 + 97 - n % 97 for n in range(850730001, 850730101)]
    content = table(100).append_column("score", pa.array(numbers))
    message = refusal(tmp_path, custody, content, schema=schema(column("score", "integer", "keep")))
    assert "column score" in message
    amounts = table(100).append_column("score", pa.array([number + 1 for number in numbers]))
    frame = identified(tmp_path / "identified/amounts.parquet", amounts)
    run(tmp_path, custody, amounts, frame=frame, schema=schema(column("score", "integer", "keep")))


def test_a_refused_delivery_leaves_the_earlier_frame_as_it_was(tmp_path: Path, custody: Custody) -> None:
    before = run(tmp_path, custody, table(10)).path.read_bytes()
    frame = identified(tmp_path / "identified/leaky.parquet", replaced(table(1), "remark", [bsns(1)[0]]))
    with pytest.raises(Refused):
        run(tmp_path, custody, table(1), frame=frame)
    assert (tmp_path / "pseudonymised/x.parquet").read_bytes() == before


def test_where_the_schema_says_so_leaking_texts_are_blanked_and_counted(tmp_path: Path, custody: Custody) -> None:
    told: list[PseudonymisationReport] = []
    content = leaky()
    frame = run(tmp_path, custody, content, schema=schema(text="text-drop-on-leak"), report=told.append)
    expected = content.column("remark").to_pylist()
    for row in (10, 66_000, 66_001):
        expected[row] = None
    assert pq.read_table(frame.path).column("remark").to_pylist() == expected
    assert told[0].blanked == {"remark": 3}
    assert sorted(fault.check for fault in told[0].leaks) == ["leak:bsn-or-rsin", "leak:name", "leak:phone"]


def test_a_kept_column_that_is_one_of_bsns_refuses_the_delivery(tmp_path: Path, custody: Custody) -> None:
    content = table(100).append_column("score", pa.array([int(b) for b in bsns(100, 123_000_000)]))
    message = refusal(tmp_path, custody, content, schema=schema(column("score", "integer", "keep")))
    assert "column score" in message
    assert "eleven-test" in message


def test_columns_that_the_schema_does_not_declare_or_that_are_missing_are_refused(
    tmp_path: Path, custody: Custody
) -> None:
    content = table(3).append_column("extra", pa.array(["a", "b", "c"])).drop_columns(["amount"])
    message = refusal(tmp_path, custody, content)
    assert "column extra is not declared by schema invented" in message
    assert "column amount of schema invented is not in the frame" in message


def test_an_optional_column_may_be_absent_and_a_frame_without_record_numbers_counts_rows(
    tmp_path: Path, custody: Custody
) -> None:
    content = replaced(table(4).drop_columns(["record"]), "remark", [None, None, bsns(1)[0], None])
    message = refusal(tmp_path, custody, content, schema=schema(column("optional", "integer", "keep", required=False)))
    assert "column remark, row 3:" in message


def test_a_schema_without_free_text_needs_no_names(tmp_path: Path, custody: Custody) -> None:
    full = schema()
    columns = tuple(c for c in full.columns if c.name not in ("remark", "surname", "first_name"))
    content = table(5).drop_columns(["remark", "surname", "first_name"])
    frame = run(tmp_path, custody, content, schema=full.model_copy(update={"columns": columns}))
    assert frame.rows == 5


def test_a_treatment_that_is_not_known_is_refused(tmp_path: Path, custody: Custody) -> None:
    odd = ColumnSpec.model_construct(name="amount", treatment="guess", required=True, kind=None)
    full = schema()
    columns = tuple(odd if c.name == "amount" else c for c in full.columns)
    message = refusal(
        tmp_path, custody, table(3), schema=DeliverySchema.model_construct(name="x", version=1, columns=columns)
    )
    assert "no treatment that is known" in message


def test_a_frame_of_another_project_or_zone_is_refused(tmp_path: Path, custody: Custody) -> None:
    assert "another project than other" in refusal(tmp_path, custody, table(3), project="other")
    done = run(tmp_path, custody, table(3))
    with pytest.raises(WrongZone):
        run(tmp_path, custody, table(3), frame=Frame(done.path, Identified, done.manifest, done.rows))


def test_a_damaged_or_undecryptable_frame_is_tampered_and_a_destroyed_key_unavailable(
    tmp_path: Path, custody: Custody
) -> None:
    until = date(2030, 6, 30)
    frame = identified(
        tmp_path / "i.parquet", table(5000), encryption=custody.encryption(PROJECT, until), custody=custody
    )
    whole = frame.path.read_bytes()
    frame.path.chmod(0o600)
    for place in (100, len(whole) // 3, len(whole) - 60):
        frame.path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(Tampered, match="cannot be read") as found:
            run(tmp_path, custody, table(1), frame=frame)
        assert found.value.__cause__ is found.value.__context__ is None
    frame.path.write_bytes(whole)
    custody.destroy(PROJECT, until)
    with pytest.raises(KeyUnavailable, match="destroyed"):
        run(tmp_path, custody, table(1), frame=frame)


def test_an_empty_delivery_gives_an_empty_frame(tmp_path: Path, custody: Custody) -> None:
    content = table(5).append_column("day", pa.array(["20160229"] * 5)).slice(0, 0)
    assert run(tmp_path, custody, content, schema=schema(column("day", "date", "keep"))).rows == 0


_KILLED = """
import os, sys
from pathlib import Path
from enclave.entropy import SeededEntropy
from enclave.frames import open_frame
from enclave.zones import Identified
from pseudonymise import pseudonymise as module
from pseudonymise.custody import Custody
from tests.pseudonymise.invented_deliveries import PROJECT, schema
folder = Path(sys.argv[1])
custody = Custody.open(folder / "keys", sys.argv[2].encode())
frame = open_frame(folder / "identified/x.parquet", Identified)
if sys.argv[3] == "kill":
    real = module.LeavingScan.look
    calls = []
    def dying(self, *arguments):
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), 9)
        return real(self, *arguments)
    module.LeavingScan.look = dying
module.pseudonymise(frame, schema=schema(), project=PROJECT, custody=custody, out=folder / "pseudonymised/x.parquet")
"""


def test_killed_half_way_and_run_again_gives_the_bytes_of_an_undisturbed_run(tmp_path: Path, custody: Custody) -> None:
    content = table(140_000)
    undisturbed = run(tmp_path, custody, content, out=tmp_path / "undisturbed.parquet").path.read_bytes()
    target = tmp_path / "pseudonymised/x.parquet"
    codes = []
    for how in ("kill", "run"):
        arguments = [sys.executable, "-c", _KILLED, str(tmp_path), PASSPHRASE.decode(), how]
        codes.append(subprocess.run(arguments, cwd=CHECKOUT, check=False, timeout=120).returncode)
        if how == "kill":
            assert not target.exists()
    assert codes == [-9, 0]
    assert target.read_bytes() == undisturbed
