"""Filters: bit for bit what clkhash makes, strict about schemas and secrets, and never about a value."""

from __future__ import annotations

import base64
import json
import tracemalloc
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.entropy import SeededEntropy
from enclave.errors import BadInput
from enclave.filters import bits_set, read_filters, text_length, write_filters
from linkage.encodings.encoder import Encoder
from linkage.encodings.files import encode_table, read_label
from linkage.encodings.linkage_schema import load_linkage_schema, parse_linkage_schema
from linkage.encodings.secret import SharedSecret, draw_secret, read_secret
from tests.conftest import CHECKOUT

SECRET = SharedSecret(b"a secret that suppliers share, 32+ characters")
# Made by clkhash 0.18.3 in an environment of its own, with the schemas and rows that stand beside: n-grams, positional
# ones, exact and numeric tokens, both hashes, singular and not, missing values, folding, both digests of HKDF.
KNOWN: dict[str, Any] = json.loads((Path(__file__).parent / "clkhash_known_answers.json").read_text())


def encoded(known: dict[str, Any], secret: SharedSecret = SECRET) -> np.ndarray:
    schema = parse_linkage_schema(known["schema"], "known")
    columns = {f.identifier: pa.array([row[i] for row in known["rows"]]) for i, f in enumerate(schema.features)}
    return Encoder(schema, secret).encode(columns, where="known")


@pytest.mark.parametrize("name", KNOWN)
def test_filters_are_those_of_clkhash(name: str) -> None:
    assert write_filters(encoded(KNOWN[name])).to_pylist() == KNOWN[name]["clks"]


def test_another_secret_gives_other_filters_and_another_check_value() -> None:
    other = SharedSecret(b"a secret that suppliers share, 32+ Characters")
    assert write_filters(encoded(KNOWN["plain"], other)).to_pylist() != KNOWN["plain"]["clks"]
    assert other.check() != SECRET.check()
    assert "share" not in repr(other) + repr(Encoder(parse_linkage_schema(KNOWN["plain"]["schema"], ""), other))


def test_a_batch_says_nothing_of_another() -> None:
    known = KNOWN["plain"]
    parts = [encoded({**known, "rows": [row]}) for row in known["rows"]]
    assert np.concatenate(parts).tolist() == encoded(known).tolist()


def test_a_record_without_values_is_an_empty_filter() -> None:
    schema = load_linkage_schema(CHECKOUT / "configs/linkage/persons.json")
    made = Encoder(schema, SECRET).encode({name: pa.nulls(2, pa.string()) for name in schema.used}, where="x")
    assert bits_set(made).tolist() == [0, 0]


def test_values_that_break_the_schema_are_told_by_column_and_row_without_the_value() -> None:
    known = deepcopy(KNOWN["plain"])
    known["rows"][1][3] = "geheim-31-31"
    known["rows"][2][4] = "geheim"
    known["rows"][3][5] = "geheim"
    with pytest.raises(BadInput) as caught:
        encoded(known)
    assert [(f.column, f.rows, f.count) for f in caught.value.faults] == [
        *(("birth", (2,), 1), ("sex", (3,), 1), ("number", (4,), 1))
    ]
    assert "geheim" not in str(caught.value)


def test_a_missing_column_is_refused() -> None:
    schema = parse_linkage_schema(KNOWN["double"]["schema"], "x")
    with pytest.raises(BadInput, match="lacks what is to be encoded"):
        Encoder(schema, SECRET).encode({"name": pa.array(["a"])}, where="x")


def changed(**changes: Any) -> dict[str, Any]:
    schema = deepcopy(KNOWN["plain"]["schema"])
    for path, value in changes.items():
        target = schema
        *steps, last = path.split("__")
        for step in steps:
            target = target[int(step)] if isinstance(target, list) else target[step]
        if value is None:
            del target[last]
        else:
            target[last] = value
    return schema


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"clkConfig__l": 1000},  # no power of two, with blakeHash
        {"clkConfig__l": 8},
        {"clkConfig__xorFolds": 1},  # the published name, which clkhash does not read
        {"clkConfig__kdf__type": "legacy"},
        {"clkConfig__kdf__salt": "no base64!"},
        {"features__1__hashing__strategy": {"bitsPerToken": 2, "bitsPerFeature": 3}},
        {"features__1__hashing__strategy": {}},
        {"features__1__hashing__hash": {"type": "md5"}},
        {"features__1__hashing__comparison": {"type": "soundex"}},
        {"features__1__format__encoding": "utf-16"},
        {"features__1__format__pattern": "("},
        {"features__3__format__format": None},
        {"features__4__format__values": None},
        {"features__2__identifier": "surname"},
        {"features__1__hashing": None},
        {"features": [{"identifier": "id", "ignored": True}]},
        {"digest": "0" * 64},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_schema_that_is_not_understood_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        parse_linkage_schema(changed(**changes), "x")


def test_the_digest_of_a_schema_is_of_all_that_is_written_in_it(tmp_path: Path) -> None:
    one, other = (parse_linkage_schema(changed(**change), "x") for change in ({}, {"features__1__description": "x"}))
    assert one.digest != other.digest
    (tmp_path / "s.json").write_text("{")
    for path in (tmp_path / "s.json", tmp_path / "none.json"):
        with pytest.raises(BadInput):
            load_linkage_schema(path)


def test_a_secret_is_long_alone_in_its_file_and_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    drawn = draw_secret(path, SeededEntropy(1))
    assert read_secret(path).reveal() == drawn.reveal()
    assert len(drawn.reveal()) == 64
    with pytest.raises(BadInput, match="of this name"):
        draw_secret(path, SeededEntropy(1))
    path.chmod(0o640)
    with pytest.raises(BadInput, match="others can read"):
        read_secret(path)
    for text in ("short", "", "x" * 40 + "\n" + "y" * 40):
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(BadInput, match="at least 32"):
            read_secret(path)
    with pytest.raises(BadInput, match="no such file"):
        read_secret(tmp_path / "none")


@given(st.integers(8, 40), st.integers(0, 20), st.integers(0, 2**32 - 1))
def test_filters_are_written_as_base64_and_read_back(size: int, rows: int, seed: int) -> None:
    filters = np.random.default_rng(seed).integers(0, 256, (rows, size), dtype=np.uint8)
    texts = write_filters(filters)
    assert texts.to_pylist() == [base64.b64encode(row.tobytes()).decode() for row in filters]
    read, good = read_filters(texts, 8 * size)
    assert good.all()
    assert read.tolist() == filters.tolist()


@given(st.lists(st.one_of(st.none(), st.text("AZaz09+/=- é", max_size=20), st.binary(max_size=12)), max_size=8))
def test_a_text_is_a_filter_exactly_when_it_is_the_base64_of_so_many_bytes(values: list[Any]) -> None:
    texts = [base64.b64encode(v).decode() if isinstance(v, bytes) else v for v in values]
    good = read_filters(pa.array(texts, pa.string()), 64)[1]

    def is_filter(text: str | None) -> bool:
        try:
            held = base64.b64decode(text or "", validate=True)
        except ValueError:
            return False
        return len(held) == 8 and base64.b64encode(held).decode() == text

    assert good.tolist() == [is_filter(text) for text in texts]
    assert text_length(64) == 12


@pytest.mark.parametrize("start", [b'"', b"surname;", b"x" * 200_000 + b";"])
def test_a_table_without_a_header_in_sight_is_refused(tmp_path: Path, start: bytes) -> None:
    """A quote that never closes, endless cells, and a name longer than the library takes."""
    (tmp_path / "persons.csv").write_bytes(start * (2 << 20 if len(start) < 99 else 1))
    encoder = Encoder(load_linkage_schema(CHECKOUT / "configs/linkage/persons.json"), SECRET)
    tracemalloc.start()
    with pytest.raises(BadInput, match="is no header") as refused:
        encode_table(tmp_path / "persons.csv", encoder, tmp_path / "out.csv", columns={"surname": "surname"})
    assert tracemalloc.get_traced_memory()[1] < 40 << 20
    tracemalloc.stop()
    assert refused.value.__context__ is None
    assert not (tmp_path / "out.csv").exists()


def test_a_schema_nested_without_end_and_files_above_their_bound_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"[" * 500_000)
    with pytest.raises(BadInput, match="not readable as JSON"):
        load_linkage_schema(path)
    for read, name in ((load_linkage_schema, "f"), (read_secret, "f"), (read_label, "f.encoding.json")):
        (tmp_path / name).write_bytes(b" " * ((1 << 20) + 1))
        (tmp_path / name).chmod(0o600)
        with pytest.raises(BadInput, match="too large: more than 1024 KiB"):
            read(path)
