"""Searching everything that was written for planted identifiers, in every shape in which they could have slipped out.

A file is searched as it is and decoded: Parquet column by column (numbers as text), pseudonymised frames and key tables
too, by the custodian's keys, and linked data by the key that was handed out; ZIP members (XLSX), gzip, SQLite tables,
JSON with escapes undone, base64 inside texts. An encrypted table without its key stops the search: its bytes tell
nothing. A pattern is an identifier as UTF-8, UTF-16 (both orders), cp1252, base64 at its three alignments, and, for
numbers, without leading zeros; or a key, raw, hexadecimal or in base64. Numbers count only where no digit (or
hexadecimal letter) stands beside them: a random 19-digit integer holds a planted nine-digit number by chance in one of
a few thousand, and so does a hexadecimal digest. What may be base64 is decoded for them, at each alignment: the letters
that bound a number do not show in its base64.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from enclave.data_keys import DataKeys
from enclave.encrypted_files import MAGIC, key_name, open_encrypted
from pseudonymise.custody import Custody

WINDOW = 7
TABLE_BITS = 26
BLOCK = 1 << 22
PACKED = 8  # bytes in which the longest number, of sixteen digits, stands two to a byte
SEALED_TABLE = b"PARE"
HEX = frozenset(b"0123456789abcdefABCDEF")
IS_HEX = np.isin(np.arange(256), list(HEX))
Windows: TypeAlias = "np.ndarray[Any, Any]"
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{24,}={0,2}")
_MAYBE_BASE64 = re.compile(rb"[A-Za-z0-9+/]{11,}")  # eight digits take eleven characters
# of a person, a household, one who is alone in either; and of a household by its own number
_UNIT = r"^(?:(?:P|H|HS|HNXP|FXP)(?P<person>\d{9})|HN(?P<household>\d{12}))$"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class Canaries:
    """Planted values, prepared for searching many bytes at once."""

    def __init__(self, values: Iterable[str], keys: Iterable[bytes] = ()) -> None:
        self._bounded: set[bytes] = set()
        self._free: set[bytes] = set()
        for value in values:
            self._add(value)
        for key in keys:
            self._add_key(key)
        self._bounded_starts = _Starts(self._bounded)
        self._free_starts = _Starts(self._free)

    def _add(self, value: str) -> None:
        if value.isdigit():
            shapes = {value, value.lstrip("0")}
            self._bounded |= {shape.encode() for shape in shapes}
        else:
            shapes = {value}
            self._free |= {value.encode(), value.encode("cp1252", "replace"), value.lower().encode()}
        for shape in shapes:
            self._free |= {shape.encode("utf-16-le"), shape.encode("utf-16-be")}
            if not shape.isdigit():
                self._free |= set(_in_base64(shape.encode()))

    def _add_key(self, key: bytes) -> None:
        """As it is, as Python prints it, in hexadecimal (Spark prints capitals) and in both forms of base64."""
        self._free |= {key, repr(key)[2:-1].encode(), str(list(key))[1:-1].encode(), key.hex().upper().encode()}
        self._add(key.hex())
        plain = set(_in_base64(key))
        self._free |= plain | {shape.translate(bytes.maketrans(b"+/", b"-_")) for shape in plain}

    def found_in(self, content: bytes) -> int:
        """How many places of ``content`` hold a planted value."""
        return sum(1 for _ in self._places(content))

    def stand_in(self, content: bytes) -> bool:
        """Whether ``content`` holds a planted value: no further than the first is looked."""
        return any(True for _ in self._places(content))

    def _places(self, content: bytes) -> Iterator[int]:
        for text in chain((content,), _out_of_base64(content)):
            for start in range(0, max(len(text) - WINDOW + 1, 0), BLOCK):
                yield from self._places_in_block(text, start)

    def _places_in_block(self, text: bytes, start: int) -> Iterator[int]:
        windows = _packed(text[start : start + BLOCK + WINDOW - 1])
        for at in np.flatnonzero(self._free_starts.hits(windows)).tolist():
            if self._free_starts.matches(text, start + at):
                yield start + at
        before = text[start - 1 : start] if start else b" "
        runs = np.flatnonzero(~IS_HEX[np.frombuffer(before + text[start : start + len(windows) - 1], dtype=np.uint8)])
        for at in runs[self._bounded_starts.hits(windows[runs])].tolist():
            end = self._bounded_starts.matches(text, start + at)
            if end and (end == len(text) or text[end] not in HEX):
                yield start + at


class _Starts:
    """Patterns by their first bytes, with a table that says at once that nothing starts with some bytes."""

    def __init__(self, patterns: set[bytes]) -> None:
        self._patterns = {pattern for pattern in patterns if len(pattern) >= WINDOW}
        self._lengths: dict[bytes, list[int]] = {}
        for start, length in sorted({(pattern[:WINDOW], len(pattern)) for pattern in self._patterns}, reverse=True):
            self._lengths.setdefault(start, []).append(length)
        self._table = np.zeros(1 << TABLE_BITS, dtype=np.bool_)
        self._table[_hashed(_packed(b"".join(self._lengths))[::WINDOW])] = True

    def hits(self, windows: Windows) -> Windows:
        return self._table[_hashed(windows)]

    def matches(self, content: bytes, place: int) -> int:
        """Where the longest pattern that starts at ``place`` ends; 0 when none does."""
        for length in self._lengths.get(content[place : place + WINDOW], ()):
            found = content[place : place + length]  # shorter at the end of the content
            if found in self._patterns:
                return place + len(found)
        return 0


def _packed(content: bytes) -> Windows:
    """The window of bytes from each byte of ``content`` on, as one number."""
    padded, count = content + bytes(16), max(len(content) - WINDOW + 1, 0)
    packed = np.empty(-(-count // 8) * 8, dtype=np.uint64)
    for offset in range(8):
        packed[offset::8] = np.frombuffer(padded, dtype="<u8", count=len(packed) // 8, offset=offset)
    return packed[:count] & np.uint64((1 << 8 * WINDOW) - 1)


def _hashed(windows: Windows) -> Windows:
    return (windows * _MULTIPLIER) >> np.uint64(64 - TABLE_BITS)


def _in_base64(plain: bytes) -> Iterator[bytes]:
    """The characters of the encoding that don't depend on what stands before and after, at each alignment."""
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + plain)
        first = -(-8 * shift // 6)
        core = encoded[first : (8 * (shift + len(plain))) // 6]
        if len(core) >= WINDOW + 2:
            yield core


def _out_of_base64(content: bytes) -> Iterator[bytes]:
    """What may be base64 in ``content``, decoded from each of its first four characters on, zeros between two runs.

    Digits in base64 are never hexadecimal digits alone.
    """
    runs = [run for run in _MAYBE_BASE64.findall(content.translate(_URL_SAFE)) if run.translate(None, bytes(HEX))]
    for shift in range(4 if runs else 0):
        parts = [run[shift:] for run in runs]
        yield base64.b64decode(b"AAAA".join(part + b"A" * (-len(part) % 4) for part in parts))


@dataclass(frozen=True)
class Opening:
    """What encrypted tables are read with: the custodian's keys, and the register's numbers of persons and households.

    A person's number is as long as a BSN, a household's as an establishment number, and by chance one of them is the
    other. Key tables name units by a mark and that number: where a value is nothing else, and the number is the
    register's, it is no leak.
    """

    custody: Custody
    persons: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    households: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))

    def may_stand(self, texts: pa.StringArray) -> pa.BooleanArray:
        """Which values are the name of a unit."""
        named = pc.extract_regex(texts, _UNIT)
        is_person = pc.is_in(pc.struct_field(named, "person"), value_set=self.persons)
        return pc.or_(is_person, pc.is_in(pc.struct_field(named, "household"), value_set=self.households))


def decoded(path: Path, opening: Opening | None = None) -> Iterator[bytes]:
    """All that can be read in a file; of an encrypted table without ``opening`` what lies there."""
    content = path.read_bytes()
    yield content
    yield from _opened(content, path, opening)


def _opened(content: bytes, path: Path, opening: Opening | None) -> Iterator[bytes]:
    if content[:4] == b"PAR1":
        yield from _parquet(path)
    elif content[:4] == SEALED_TABLE:
        if opening is not None:
            yield from _parquet(path, opening)
    elif content.startswith(MAGIC):
        yield from _encrypted(path)
    elif content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                yield archive.read(member)
    elif content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    elif content[:15] == b"SQLite format 3":
        yield from _sqlite(path)
    else:
        yield from _text(content)


def _text(content: bytes) -> Iterator[bytes]:
    for line in content.splitlines():
        if line[:1] in (b"{", b"["):
            try:
                yield json.dumps(json.loads(line), ensure_ascii=False).encode()
            except ValueError:
                continue
    for run in _BASE64.findall(content):
        try:
            yield base64.b64decode(run + b"=" * (-len(run) % 4))
        except ValueError:
            continue


def _encrypted(path: Path) -> Iterator[bytes]:
    """Linked data and derived frames, where a workspace above has the key."""
    name = key_name(path)
    keys = [keys for above in path.parents if name and (keys := DataKeys(above / "data-keys")).opens(path)]
    for found in keys[:1]:
        with open_encrypted(path, found.take(str(name))) as file:
            yield from _parquet(file)


def _parquet(source: Path | BinaryIO, opening: Opening | None = None) -> Iterator[bytes]:
    keys = None if opening is None else opening.custody.decryption()
    with pq.ParquetFile(source, decryption_properties=keys) as file:
        yield repr(file.schema_arrow.metadata).encode()
        for batch in file.iter_batches():
            for column in batch.columns:
                if pa.types.is_fixed_size_binary(column.type):
                    yield from _of_one_width(column.drop_null())
                elif pa.types.is_binary(column.type):
                    values = column.drop_null().to_pylist()
                    yield b"\n".join(values)
                    yield "\n".join(value.hex() for value in values).encode()
                else:
                    texts = pc.fill_null(column.cast(pa.string()), "")
                    if opening is not None:
                        texts = texts.filter(pc.invert(opening.may_stand(texts)))
                    yield "\n".join(texts.to_pylist()).encode()


def _of_one_width(column: pa.FixedSizeBinaryArray) -> Iterator[bytes]:
    """Each value on a line; in hexadecimal too where its digits would be no more than those of a number."""
    width = column.type.byte_width
    held = np.frombuffer(column.buffers()[1], dtype=np.uint8)[width * column.offset :][: width * len(column)]
    yield np.pad(held.reshape(-1, width), ((0, 0), (0, 1)), constant_values=ord("\n")).tobytes()
    if width <= PACKED:
        yield binascii.hexlify(held.tobytes(), "\n", -width)


def _sqlite(path: Path) -> Iterator[bytes]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = database.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - names come from the database itself
            yield "\n".join(str(value) for row in rows for value in row).encode()


def leaking_files(
    folders: Iterable[Path], canaries: Canaries, opening: Opening | None = None, *, closed: bool = False
) -> list[str]:
    """Names of the files below ``folders``, and of names themselves, in which a planted value stands.

    ``closed``: encrypted tables may hold them, and are searched as they lie.

    Raises:
        ValueError: an encrypted table is there, and nothing to open it.
    """
    leaking = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if canaries.stand_in(path.name.encode()):
                leaking.append(f"name of {path.parent}")
            if not path.is_file():
                continue
            if opening is None and not closed and path.open("rb").read(4) == SEALED_TABLE:
                raise ValueError(f"{path.name} is encrypted: its bytes say nothing of what is in it")
            if any(canaries.stand_in(part) for part in decoded(path, opening)):
                leaking.append(str(path))
    return leaking
