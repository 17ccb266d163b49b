"""Identifiers: canonical forms, reasons, and the eleven-test against an independent statement of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.nl import bsn as stdnum_bsn

from enclave.errors import BadInput
from enclave.identifiers import KINDS, Reason, check, passes_eleven_test

OK, MISSING, MALFORMED = Reason.OK, Reason.MISSING, Reason.MALFORMED
FAILED, ZERO = Reason.FAILED_CHECK, Reason.ALL_ZERO
TEST, UNKNOWN = Reason.TEST, Reason.UNKNOWN


def one(kind: str, value: str | None) -> tuple[str | None, Reason]:
    checked = check(kind, pa.array([value], pa.string()))
    return checked.canonical.to_pylist()[0], Reason(checked.reason.to_pylist()[0])


def eleven(nine: str) -> bool:
    a, b, c, d, e, f, g, h, i = (int(x) for x in nine)
    return (9 * a + 8 * b + 7 * c + 6 * d + 5 * e + 4 * f + 3 * g + 2 * h - i) % 11 == 0


# 246813003: 9·2 + 8·4 + 7·6 + 6·8 + 5·1 + 4·3 + 0 + 0 − 3 = 18 + 32 + 42 + 48 + 5 + 12 − 3 = 154 = 14 × 11
# 13579009 → 013579009: 0 + 8·1 + 7·3 + 6·5 + 5·7 + 4·9 + 0 + 0 − 9 = 8 + 21 + 30 + 35 + 36 − 9 = 121 = 11 × 11
@pytest.mark.parametrize("kind", ["bsn", "rsin"])
@pytest.mark.parametrize(
    ("value", "canonical", "reason"),
    [
        ("246813003", "246813003", OK),
        ("135790013", "135790013", OK),
        ("013579009", "013579009", OK),
        ("13579009", "013579009", OK),
        (" 135790013\t", "135790013", OK),
        ("1357.90.013", "135790013", OK),
        ("135 790 013", "135790013", OK),
        ("123456789", None, FAILED),
        ("12345678", None, FAILED),
        ("000000000", None, ZERO),
        ("00000000", None, ZERO),
        ("12", None, MALFORMED),
        ("1234567", None, MALFORMED),
        ("1357900130", None, MALFORMED),
        ("13579001.0", None, MALFORMED),
        ("13.579.0013", None, MALFORMED),
        ("13579001X", None, MALFORMED),
        ("１３５７９００１３", None, MALFORMED),
        ("", None, MISSING),
        ("   ", None, MISSING),
        (None, None, MISSING),
    ],
)
def test_bsn_and_rsin_need_eight_or_nine_digits_and_the_eleven_test(
    kind: str, value: str | None, canonical: str | None, reason: Reason
) -> None:
    assert one(kind, value) == (canonical, reason)


def test_a_lost_leading_zero_gives_the_same_canonical_bsn() -> None:
    """Against PRS, where 13579009 and 013579009 get different pseudonyms."""
    assert one("bsn", "13579009") == one("bsn", "013579009")


def test_short_numbers_that_python_stdnum_accepts_are_refused() -> None:
    short = [str(n) for n in range(1, 100_000) if stdnum_bsn.is_valid(str(n))]
    assert len(short) == 9_090  # the weakness: stdnum fills with zeros first
    assert check("bsn", pa.array(short)).counts()[MALFORMED] == 9_090


@given(st.lists(st.integers(0, 10**9 - 1).map(lambda n: f"{n:09d}"), max_size=40))
def test_the_vectorised_eleven_test_is_the_formula(numbers: list[str]) -> None:
    checked = check("bsn", pa.array(numbers, pa.string()))
    assert checked.canonical.to_pylist() == [n if eleven(n) and n != "0" * 9 else None for n in numbers]


def test_one_number_in_eleven_passes_the_eleven_test() -> None:
    numbers = np.random.default_rng(5).integers(0, 10, (110_000, 9)).astype(np.uint8)
    passed = int(passes_eleven_test(numbers).sum())
    assert abs(passed - 10_000) < 5 * (110_000 * (1 / 11) * (10 / 11)) ** 0.5


@pytest.mark.parametrize(
    ("kind", "value", "canonical", "reason"),
    [
        ("kvk", "09123456", "09123456", OK),
        ("kvk", "0912 3456", "09123456", OK),
        ("kvk", "9123456", None, MALFORMED),
        ("kvk", "00000000", None, ZERO),
        ("establishment", "000009123456", "000009123456", OK),
        ("establishment", "09123456", None, MALFORMED),
        ("bag", "0363010000000001", "0363010000000001", OK),
        ("bag", "0363 01 0000000001", "0363010000000001", OK),
        ("bag", "0363300000000001", "0363300000000001", OK),
        ("bag", "0363040000000001", None, FAILED),
        ("bag", "0000010000000001", None, FAILED),
        ("bag", "363010000000001", None, MALFORMED),
        ("bag", "0" * 16, None, ZERO),
        ("postcode", "1234AB", "1234AB", OK),
        ("postcode", "1234 ab", "1234AB", OK),
        ("postcode", " 1234\u00a0 aB ", "1234AB", OK),
        ("postcode", "1234-AB", "1234AB", OK),
        ("postcode", "0234AB", None, FAILED),
        ("postcode", "1234SA", None, FAILED),
        ("postcode", "1234sd", None, FAILED),
        ("postcode", "1234SS", None, FAILED),
        ("postcode", "1234SB", "1234SB", OK),
        ("postcode", "1234A", None, MALFORMED),
        ("postcode", "1234A1", None, MALFORMED),
        ("postcode", "1234É", None, MALFORMED),
        ("postcode", "", None, MISSING),
        ("own_number", " D-2016/1 ", "D-2016/1", OK),
        ("own_number", "x" * 64, "x" * 64, OK),
        ("own_number", "x" * 65, None, MALFORMED),
        ("own_number", " ", None, MISSING),
        ("own_number", "onbekend", None, UNKNOWN),
        ("bag", "9" * 16, None, UNKNOWN),
    ],
)
def test_every_other_kind_has_its_form(kind: str, value: str, canonical: str | None, reason: Reason) -> None:
    assert one(kind, value) == (canonical, reason)


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("1234AB12", "1234AB|12|"),
        ("1234AB12a", "1234AB|12|A"),
        ("1234 ab12-2", "1234AB|12|2"),
        ("1234AB 12", "1234AB|12|"),
        ("12-2, 1234 AB", "1234AB|12|2"),
    ],
)
def test_an_address_may_have_no_blank_behind_its_postcode(value: str, canonical: str) -> None:
    assert one("address", value) == (canonical, OK)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, MISSING),
        ("1234ABC12", MALFORMED),
        ("1234AB0", ZERO),
        ("||", MISSING),
        ("1234AB||A", MISSING),
        ("|12|A", MISSING),
        ("1234AB|12", MALFORMED),
        ("1234 AB", MISSING),
        ("Dorpsstraat 12", MALFORMED),
        ("1234AB|12|A|B", MALFORMED),
        ("1234AB|twaalf|", MALFORMED),
        ("1234AB|123456|", MALFORMED),
        ("1234AB|12|é", MALFORMED),
        ("1234AB|12|ABCDEFGHI", MALFORMED),
        ("1234AB|0|", ZERO),
        ("0234AB|12|", FAILED),
    ],
)
def test_an_address_that_is_none_gets_its_reason(value: str | None, reason: Reason) -> None:
    assert one("address", value) == (None, reason)


@pytest.mark.parametrize("kind", KINDS)
def test_slices_chunks_and_empty_arrays_give_what_whole_arrays_give(kind: str) -> None:
    values = ["135790013", None, "1234AB", "1234 ab", "0363010000000001", "09123456", "1234AB|1|", "", "13579009"] * 3
    whole = check(kind, pa.array(values))
    chunked = check(kind, pa.chunked_array([values[:5], values[5:]]))
    sliced = check(kind, pa.array(["x", *values]).slice(1))
    for other in (chunked, sliced):
        assert other.canonical.to_pylist() == whole.canonical.to_pylist()
        assert other.reason.equals(whole.reason)
    for nothing in (pa.array([], pa.string()), pa.chunked_array([], pa.string())):
        assert len(check(kind, nothing).canonical) == 0
    assert check(kind, pa.array([None, None], pa.string())).counts()[MISSING] == 2


@pytest.mark.parametrize("kind", KINDS)
def test_canonical_is_null_exactly_where_there_is_a_reason_and_checks_again_as_itself(kind: str) -> None:
    values = pa.array(["135790013", " 1234 ab", "0912 3456", "1234ab|012|-b", None, "000012345678", "9001010000000001"])
    first = check(kind, values)
    assert first.canonical.is_valid().to_pylist() == [reason == 0 for reason in first.reason.to_pylist()]
    assert sum(first.counts().values()) == len(values)
    usable = first.canonical.drop_null()
    assert check(kind, usable).canonical.equals(usable)


def test_large_strings_and_dictionaries_are_read_too() -> None:
    values = pa.array(["135790013", None])
    for other in (values.cast(pa.large_string()), values.dictionary_encode()):
        assert check("bsn", other).canonical.to_pylist() == ["135790013", None]


@given(st.sampled_from(KINDS), st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=20))
def test_any_text_whatever_gets_a_reason(kind: str, values: list[str | None]) -> None:
    checked = check(kind, pa.array(values, pa.string()))
    assert len(checked.canonical) == len(checked.reason) == len(values)
    assert checked.canonical.is_valid().to_pylist() == [reason == 0 for reason in checked.reason.to_pylist()]


def test_an_unknown_kind_is_bad_input_that_names_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"kenteken.*\n.*bsn"):
        check("kenteken", pa.array(["x"]))


def test_every_reason_describes_itself() -> None:
    assert len({reason.description() for reason in Reason}) == len(Reason)
