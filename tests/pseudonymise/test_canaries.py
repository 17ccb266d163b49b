"""Canaries: identifiers planted in a delivery are looked for in all that pseudonymisation writes, prints and raises.

Every file is searched raw and decoded, for the identifier as it is, in base64, in UTF-16 and without leading zeros; a
positive control shows that the search finds them where they do stand.
"""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from enclave.entropy import SeededEntropy
from enclave.errors import EnclaveError
from enclave.frames import Frame
from enclave.identifiers import check
from enclave.zones import Identified
from pseudonymise.custody import Custody
from pseudonymise.keyed_hash import hash_values
from pseudonymise.pseudonymise import pseudonymise
from tests.pseudonymise.invented_deliveries import PROJECT, bsns, column, identified, schema, table

PASSPHRASE = b"een lange zin voor de sleutels"
PLANTED = ("bsn", "bag_id", "kvk", "dossier", "surname", "first_name")


def forms(value: str) -> set[bytes]:
    """All ways in which a value could stand in bytes; base64 at its three alignments, without the ragged ends."""
    plain = value.encode()
    shapes = {
        plain,
        value.encode("utf-16-le"),
        value.encode("utf-16-be"),
        value.encode("cp1252"),
        value.lower().encode(),
    }
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + plain)
        shapes.add(encoded[4 if shift else 0 : len(encoded) - 4])
    if value.isdigit() and len(value.lstrip("0")) >= 8:  # shorter ones turn up in hexadecimal hashes by chance
        shapes.add(value.lstrip("0").encode())
    return {shape for shape in shapes if len(shape) >= 6}


def canaries(content: pa.Table) -> dict[str, set[bytes]]:
    """Per planted column every form of every value."""
    return {
        name: set().union(*(forms(value) for value in content.column(name).drop_null().unique().to_pylist()))
        for name in PLANTED
    }


def decoded(path: Path) -> Iterator[bytes]:
    """A file's bytes, and, of Parquet, its metadata and every column as text, binary columns as they are and in hex."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            yield repr(file.schema_arrow.metadata).encode()
            content = file.read()
        for values in content.columns:
            if pa.types.is_fixed_size_binary(values.type):
                yield b"|".join(value or b"" for value in values.to_pylist())
                yield "|".join(value.hex() if value else "" for value in values.to_pylist()).encode()
            else:
                yield "|".join(pc.fill_null(values.cast(pa.string()), "").to_pylist()).encode()


def found(content: dict[str, set[bytes]], haystacks: Iterator[bytes]) -> set[str]:
    """Names of the planted columns of which any form of any value is found."""
    everything = b"\0".join(haystacks)
    return {name for name, shapes in content.items() if any(shape in everything for shape in shapes)}


@pytest.fixture
def custody(tmp_path: Path) -> Custody:
    return Custody.create(tmp_path / "keys", PASSPHRASE, SeededEntropy(1))


def hidden(tmp_path: Path, custody: Custody, content: pa.Table) -> Frame[Identified]:
    until = date(2030, 6, 30)
    return identified(
        tmp_path / "identified/x.parquet", content, encryption=custody.encryption(PROJECT, until), custody=custody
    )


def make(tmp_path: Path, custody: Custody, frame: Frame[Identified], **how: Any) -> None:
    settings = {"schema": schema(), "project": PROJECT, "custody": custody, "out": tmp_path / "pseudonymised/x.parquet"}
    pseudonymise(frame, **{**settings, **how})


def test_the_search_finds_what_is_there_in_every_form(tmp_path: Path) -> None:
    """The positive control."""
    content = table(50)
    planted = canaries(content)
    frame = identified(tmp_path / "x.parquet", content)
    assert found(planted, decoded(frame.path)) == set(PLANTED)
    value = content.column("bsn")[7].as_py()
    for place, shape in enumerate(sorted(forms(value))):
        path = tmp_path / f"{place}.bin"
        path.write_bytes(b"\x00\xff" + shape + b"\x17")
        assert found(planted, decoded(path)) == {"bsn"}, shape
    assert value.startswith("0")
    assert value[1:].encode() in forms(value)


def test_nothing_written_holds_a_planted_identifier(tmp_path: Path, custody: Custody) -> None:
    content = table(2000)
    make(tmp_path, custody, hidden(tmp_path, custody, content))
    planted = canaries(content)
    written = [path for zone in ("pseudonymised", "identified", "keys") for path in (tmp_path / zone).rglob("*")]
    assert len(written) >= 5
    for path in written:
        haystack = iter([path.read_bytes()]) if path.parent.name == "identified" else decoded(path)
        assert found(planted, haystack) == set(), path.name


def test_blanked_texts_leave_nothing_behind(tmp_path: Path, custody: Custody) -> None:
    content = table(500)
    surnames, numbers = content.column("surname").to_pylist(), content.column("bsn").to_pylist()
    remarks = [
        f"{name} {number}" if n % 7 == 0 else None
        for n, (name, number) in enumerate(zip(surnames, numbers, strict=True))
    ]
    content = content.set_column(content.schema.get_field_index("remark"), "remark", pa.array(remarks))
    make(tmp_path, custody, hidden(tmp_path, custody, content), schema=schema(text="text-drop-on-leak"))
    assert found(canaries(content), decoded(tmp_path / "pseudonymised/x.parquet")) == set()


def _leak(tmp_path: Path, custody: Custody, content: pa.Table) -> None:
    remarks = [
        f"{a} {b}"
        for a, b in zip(content.column("bsn").to_pylist(), content.column("surname").to_pylist(), strict=True)
    ]
    leaking = content.set_column(content.schema.get_field_index("remark"), "remark", pa.array(remarks))
    make(tmp_path, custody, hidden(tmp_path, custody, leaking))


def _kept(tmp_path: Path, custody: Custody, content: pa.Table) -> None:
    wrong = content.append_column("score", pa.array([int(n) for n in bsns(200, 123_000_000)]))
    make(tmp_path, custody, hidden(tmp_path, custody, wrong), schema=schema(column("score", "integer", "keep")))


def _undeclared(tmp_path: Path, custody: Custody, content: pa.Table) -> None:
    make(tmp_path, custody, hidden(tmp_path, custody, content.append_column("bsn2", content.column("bsn"))))


def _damaged(tmp_path: Path, custody: Custody, content: pa.Table) -> None:
    frame = hidden(tmp_path, custody, content)
    frame.path.chmod(0o600)
    frame.path.write_bytes(frame.path.read_bytes()[:-100])
    make(tmp_path, custody, frame)


def _plain_and_damaged(tmp_path: Path, custody: Custody, content: pa.Table) -> None:
    frame = identified(tmp_path / "identified/plain.parquet", content)
    whole = frame.path.read_bytes()
    frame.path.chmod(0o600)
    frame.path.write_bytes(whole[:200] + bytes(400) + whole[600:])
    make(tmp_path, custody, frame)


def _too_long(tmp_path: Path, custody: Custody, content: pa.Table) -> None:
    hash_values(
        pc.binary_join_element_wise(content.column("bsn"), content.column("bag_id"), "|"), bytes(32), "aes-cmac"
    )


def _unknown_kind(tmp_path: Path, custody: Custody, content: pa.Table) -> None:
    check("name", content.column("surname"))


def _destroyed(tmp_path: Path, custody: Custody, content: pa.Table) -> None:
    frame = hidden(tmp_path, custody, content)
    custody.destroy(PROJECT, date(2030, 6, 30))
    make(tmp_path, custody, frame)


@pytest.mark.parametrize(
    "spoil", [_leak, _kept, _undeclared, _damaged, _plain_and_damaged, _too_long, _unknown_kind, _destroyed]
)
def test_no_error_log_or_output_holds_a_planted_identifier(
    spoil: Callable[[Path, Custody, pa.Table], None],
    tmp_path: Path,
    custody: Custody,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    content = table(200)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(EnclaveError) as failure:
        spoil(tmp_path, custody, content)
    shown = [caplog.text, *capfd.readouterr(), *traceback.format_exception(failure.value)]
    link: BaseException | None = failure.value
    while link is not None:
        shown += [str(link), repr(link), repr(link.args), repr(getattr(link, "__notes__", ""))]
        link = link.__cause__ or link.__context__
    planted = canaries(content) | {"keys": {custody.hash_key(PROJECT, "bsn").hex().encode(), PASSPHRASE}}
    assert found(planted, iter("\n".join(shown).encode().splitlines())) == set()
    assert not list((tmp_path / "pseudonymised").rglob("*"))
