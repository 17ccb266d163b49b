"""Identifiers and hidden characters in texts that leave.

Two things look like identifiers and are none, and nobody but the gate writes them: codes of areas (``BU`` and eight
figures) and digests. They are taken out whole before anything is looked for, and so are years beside each other, and
spans of round amounts, of times and of shares. In what leaves, figures are an identifier however they are parted.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from enclave.identifier_patterns import LeakKind, find_patterns
from output_control.leaving.words import NOT_DRAWN

_HIDING = rf"[\pC\p{{Zl}}\p{{Zp}}{NOT_DRAWN}]"
_AREAS = r"\b(?:NL|LD|PV|CR|GM|WK|BU)[0-9]{1,8}\b"
_DIGESTS = r"\b[0-9a-f]{64}\b|-v[0-9]{1,6}-[0-9a-f]{12}\b"  # SHA-256; the end of a request's id
_SIGNED = r"^[A-Za-z0-9+/_-]{43}=?$|^[A-Za-z0-9+/_-]{86}(?:==)?$"  # base64 of 32 or 64 bytes: a key, a signature
_YEAR = r"(?:1[89]|2[01])[0-9]{2}"
_YEARS = rf"(^|[^0-9.,/_ -]|[^0-9] ){_YEAR}(?:(?:[.,/_ -]| - | / |, ){_YEAR})+($|[^0-9.,/_ -]| [^0-9])"
_ROUND = r"[0-9](?:\.?[0-9]){0,2}"  # the figures of an amount before its noughts: three single out nobody
_SPANS = (  # 10000-19999, 1.000 - 1.500
    rf"(^|[^0-9.,/_ -]|[^0-9] ){_ROUND}(?:\.?0){{2,5}} ?- ?{_ROUND}(?:(?:\.?0){{2,5}}|(?:\.?9){{2,5}})"
    r"($|[^0-9.,/_ -]| [^0-9])"
)
_TIME = r"[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9])?"
_PAIRS = (  # 10:30 - 11:45; 0.25 - 0.375
    rf"(^|[^0-9.,:/_ -]|[^0-9] )(?:{_TIME} ?- ?{_TIME}|[01]\.[0-9]{{1,3}} ?- ?[01]\.[0-9]{{1,3}})"
    r"($|[^0-9.,:/_ -]| [^0-9])"
)
_PARTED = (  # 1234+5678, 1234 - 5678, 1234--5678: what is replaced by one hyphen, which is none of them
    r"([0-9])(?:[^0-9A-Za-z .\-/_]| [-/_]{1,2} ?|[-/_]{1,2} |[^0-9A-Za-z\s]{2})([0-9])"
)
_DATE = r"\b(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}\b"
_LONG_NUMBER = r"[0-9](?:[^0-9A-Za-z]{0,3}[0-9]){7}"
_HALVES = re.compile(r"[\ud800-\udfff]")
_BREAKS = re.compile(r" *[\t\r\n][ \t\r\n]*")
_FOREIGN = r"[^\x00-\x7F]"
_DASHES = r"[\x{2010}-\x{2015}\x{2212}]"
_TIMES = r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,16}(?:Z|[+-][0-9]{2}:?[0-9]{2})?"


def hides_characters(text: str) -> bool:
    """Whether ``text`` holds characters that are not shown: controls, formats, separators, selectors, half a pair."""
    return bool(_HALVES.search(text)) or texts_that_hide(pa.array([text])) > 0


def texts_that_hide(texts: pa.Array) -> int:
    """How many texts hold characters that are not shown."""
    return int(pc.sum(pc.match_substring_regex(texts, _HIDING)).as_py() or 0)


def without_halves(texts: Sequence[str]) -> list[str]:
    """The texts that hold no half of a surrogate pair, which is no character, and cannot be written."""
    return [text for text in texts if not _HALVES.search(text)]


def in_lines(text: str) -> str:
    """``text`` with a space for every line break, and blanks beside it: what stands below each other is read on."""
    return _BREAKS.sub(" ", text)


def faults_of_texts(texts: pa.Array) -> Iterator[str]:
    """One clause per kind of identifier in a string array."""
    yield from faults_of_each([texts])[0]


def faults_of_lines(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """One clause per kind of identifier, with how many lines hold one; of each line all ways to read it."""
    owner = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    texts = pa.array([text for line in lines for text in line], pa.string())
    for kind, hit in _found_in(texts).items():
        if hit.any():
            yield f"{kind.description()} ({len(np.unique(owner[hit]))} line(s))"


def faults_of_each(arrays: Sequence[pa.Array]) -> list[list[str]]:
    """As `faults_of_texts`, of each array; in one go, since compiling the patterns takes longer than the search."""
    bounds = np.cumsum([0, *map(len, arrays)])
    found: list[list[str]] = [[] for _ in arrays]
    for kind, hit in _found_in(pa.concat_arrays([array.cast(pa.string()) for array in arrays])).items():
        for at in np.unique(np.searchsorted(bounds, np.flatnonzero(hit), side="right") - 1):
            texts = int(hit[bounds[at] : bounds[at + 1]].sum())
            found[at].append(f"{kind.description()} ({texts} text(s))")
    return found


def _found_in(texts: pa.Array) -> dict[LeakKind, npt.NDArray[np.bool_]]:
    """Per kind of identifier, which texts hold one."""
    plain = _without_codes(texts)
    for _ in range(2):  # each parting stands between the figure before it and the one after
        plain = pc.replace_substring_regex(plain, _PARTED, r"\1-\2")
    return find_patterns(plain, any_parting=True)


def long_numbers(codes: pa.Array) -> int:
    """How many codes, of areas apart, hold eight figures or more with at most three marks between each two: a KvK or
    establishment number has no check of its own."""
    undated = pc.replace_substring_regex(_without_codes(codes), _DATE, "#")
    return int(pc.sum(pc.match_substring_regex(undated, _LONG_NUMBER)).as_py() or 0)


@cache
def _figures() -> tuple[str, ...]:
    """For each figure, a class of the characters of other scripts and widths that stand for it."""
    of: list[list[str]] = [[] for _ in range(10)]
    for character in map(chr, range(128, sys.maxunicode + 1)):
        figure = unicodedata.decimal(character, None)
        if figure is not None:
            of[figure].append(character)
    return tuple(f"[{''.join(each)}]" for each in of)


def _in_ascii(texts: pa.Array) -> pa.Array:
    """Figures of every script and width as 0 to 9, and dashes of every length as hyphens."""
    if not pc.any(pc.match_substring_regex(texts, _FOREIGN)).as_py():
        return texts
    texts = pc.replace_substring_regex(texts, _DASHES, "-")
    for figure, characters in enumerate(_figures()):
        texts = pc.replace_substring_regex(texts, characters, str(figure))
    return texts


def _without_codes(texts: pa.Array) -> pa.Array:
    """What is no identifier made unrecognisable."""
    plain = pc.replace_substring_regex(_in_ascii(texts), _SIGNED, "#")
    for pattern in (_TIMES, _AREAS, _DIGESTS):
        plain = pc.replace_substring_regex(plain, pattern, "#")
    for pattern in (_YEARS, _SPANS, _PAIRS):
        plain = pc.replace_substring_regex(plain, pattern, r"\1#\2")
    return plain
