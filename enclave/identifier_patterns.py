"""Identifiers inside free text, found by their form and their own check: numbers, e-mail, IBAN, phone, address, plate.

Works on whole string arrays: digit groups are found in the byte buffer itself, the rest by RE2. Says which rows hold
something, never what. A number that only looks like an identifier counts as one: the price of a false alarm is a
question to the supplier, the price of a miss is a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.account_numbers import passes_mod_97
from enclave.foreign_in_text import rows_with_foreign_number
from enclave.identifiers import BAG_OBJECT_TYPES, Bools, Bytes, byte_view, passes_eleven_test
from enclave.plates_in_text import rows_with_plate
from enclave.streets import rows_with_any_street, rows_with_street
from enclave.text_runs import Ints, Runs, byte_class


class LeakKind(Enum):
    """What kind of identifier a text holds; the value is the name of the check."""

    ELEVEN_TEST = "bsn-or-rsin"
    BAG = "bag"
    REGISTER = "kvk-or-establishment"
    EMAIL = "e-mail"
    IBAN = "iban"
    PHONE = "phone"
    ADDRESS = "address"
    STREET = "street"
    PLATE = "licence-plate"
    FOREIGN = "foreign-number"
    NAME = "name"
    OWN_NUMBER = "own-number"
    COPY = "copy"
    DENSITY = "density"

    def description(self) -> str:
        """One clause for a report."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    LeakKind.ELEVEN_TEST: "holds a number of 8 or 9 digits that passes the eleven-test of BSN and RSIN",
    LeakKind.BAG: "holds a BAG number",
    LeakKind.REGISTER: "holds a KvK or establishment number",
    LeakKind.EMAIL: "holds an e-mail address",
    LeakKind.IBAN: "holds a bank account number",
    LeakKind.PHONE: "holds a phone number",
    LeakKind.ADDRESS: "holds a postcode with a house number",
    LeakKind.STREET: "holds a street with a house number",
    LeakKind.PLATE: "holds a licence plate",
    LeakKind.FOREIGN: "holds a foreign person's number, or that of a passport or other document",
    LeakKind.NAME: "holds a name that stands in the delivery's own name columns",
    LeakKind.OWN_NUMBER: "holds a number, postcode or street of the same record",
    LeakKind.COPY: "repeats an identifier of the same record",
    LeakKind.DENSITY: "passes an identifier's check (such as the eleven-test) far more often than chance explains",
}

_GROUPINGS = ((4, 2, 3), (3, 3, 3), (2, 3, 3), (2, 2, 2, 3), (3, 2, 2, 2), (3, 2, 4), (1,) * 8, (1,) * 9)
"""How people part a BSN; with a word like *bsn* in the same text any parting counts."""
_LISTED = (b". ", b"; ", b": ", b"  ")
"""Partings that lists of numbers have too: groups parted so count by themselves, in a customary grouping of three or
four. A comma and a space part nearly all lists, and are none of them."""

_FIGURES = byte_class(b"0123456789")
_SEPARATORS = np.frombuffer(b" .-/_", dtype=np.uint8)
_INVISIBLE = r"[\x{AD}\x{200B}-\x{200F}\x{2060}\x{FEFF}]"
_BSN_WORDS = r"(?i)bsn|burger\s?service|sofi|rsin|fiscaal"
_EMAIL = r"(?i)[a-z0-9._%+'-]\s?(?:@|\(at\)|\[at\])\s?[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}"
_DATES = r"\b[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ](?:19|20)[0-9]{2}\b|\b(?:19|20)[0-9]{2}[-/.][0-9]{1,2}[-/.][0-9]{1,2}\b"
_PHONE = (
    r"(?:\+|\b00)[1-9][0-9](?:[ .()-]{0,3}[0-9]){7,12}\b"  # international
    r"|\b0[1-9](?:[ .()-]{0,2}[0-9]){8}\b"  # ten figures, however parted
)
_CODE = r"[1-9][0-9]{3}"
_ADDRESS = (
    rf"\b{_CODE} ?[A-Z]{{2}}[ ,;:/-]{{1,3}}(?:(?:huis)?(?:nr|nummer)\.? ?)?[0-9]{{1,5}}"
    rf"|\b{_CODE}[a-z]{{2}}[ ,;:/-]{{1,3}}(?:(?:huis)?(?:nr|nummer)\.? ?)?[0-9]{{1,5}}"
    rf"|\b[0-9]{{1,5}}[ -]?[A-Za-z]{{0,3}}[ ,;:/-]{{1,3}}{_CODE} ?[A-Z]{{2}}\b"
)
_REGISTER = (
    r"(?i)\b(?:k\.?v\.?k|kamer van koophandel)[^0-9]{0,25}[0-9](?:[ ./-]?[0-9]){7}\b"
    r"|(?i)\bvestiging[^0-9]{0,25}[0-9](?:[ ./-]?[0-9]){11}\b"
    r"|(?:^|[^0-9.,])0000[ .]?[0-9]{4}[ .]?[0-9]{4}(?:[^0-9]|$)"  # all establishment numbers begin so
)
_IBAN_START = r"(?i)(?P<head>\b[a-z]{2}[0-9]{2})(?P<rest>(?:[ .-]?[a-z0-9]){11,30})"
_IBAN_ROUNDS = 200


def find_patterns(texts: Any, *, any_parting: bool = False) -> dict[LeakKind, Bools]:
    """Which texts of a string array hold which kind of identifier (names apart); null holds none.

    ``any_parting``: 8 or 9 figures with single separators between count as a BSN however they are parted, dates apart;
    and 16 figures as a BAG number. Groups with a mark and a space between count where they are grouped as a BSN is.
    That is for what leaves the enclave: there only the surest streets count, since tables name places beside figures.
    """
    found = {kind: np.zeros(len(texts), dtype=np.bool_) for kind in LeakKind}
    plain = _plain(texts)
    rows = np.flatnonzero(_matches(plain, r"[0-9@]|\(at\)|\[at\]"))
    if rows.size:
        plain = plain.take(pa.array(rows))
        undated = pc.replace_substring_regex(plain, _DATES, "#")
        groups = DigitGroups.of(plain)
        for kind, hit in (
            (LeakKind.ELEVEN_TEST, groups.rows_with_bsn(_matches(plain, _BSN_WORDS))),
            (LeakKind.BAG, groups.rows_with_bag()),
            (LeakKind.REGISTER, _matches(plain, _REGISTER)),
            (LeakKind.EMAIL, _matches(plain, _EMAIL)),
            (LeakKind.IBAN, rows_with_iban(plain)),
            (LeakKind.PHONE, _matches(undated, _PHONE)),
            (LeakKind.ADDRESS, _matches(undated, _ADDRESS)),
            (LeakKind.STREET, (rows_with_street if any_parting else rows_with_any_street)(undated)),
            (LeakKind.PLATE, rows_with_plate(undated)),
            (LeakKind.FOREIGN, rows_with_foreign_number(plain)),
        ):
            found[kind][rows] = hit
        if any_parting:
            parted = DigitGroups.of(undated)
            found[LeakKind.ELEVEN_TEST][rows] |= parted.rows_with_parted_bsn()
            found[LeakKind.BAG][rows] |= parted.rows_with_parted_bag()
            for parting in _LISTED:
                found[LeakKind.ELEVEN_TEST][rows] |= DigitGroups.of(undated, parting).rows_with_listed_bsn()
    return found


def _plain(texts: Any) -> Any:
    """Nulls emptied, full-width figures and odd spaces made plain, invisible characters removed."""
    texts = pc.fill_null(texts, "")
    if bool((byte_view(texts)[2] >= 128).any()):
        texts = pc.replace_substring_regex(pc.utf8_normalize(texts, form="NFKC"), _INVISIBLE, "")
    return texts


def _matches(texts: Any, pattern: str) -> Bools:
    hits: Bools = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return hits


@dataclass(frozen=True, slots=True)
class DigitGroups:
    """Every maximal run of figures in an array of texts: its row, its width, and whether one separator (or just the
    ``parting`` asked for) parts it from the next run of the same text. ``digits`` are all figures in order; run *i*
    starts at ``place[i]`` in them.
    """

    texts: int
    row: Ints
    width: Ints
    linked: Bools
    place: Ints
    digits: Bytes

    @classmethod
    def of(cls, texts: Any, parting: bytes = b"") -> DigitGroups:
        """The groups of a string array without nulls."""
        runs = Runs.of(texts, _FIGURES)
        row, width, ends = runs.row, runs.width, runs.begin + runs.width
        linked = np.zeros(len(row), dtype=np.bool_)
        if len(row) > 1:
            marks = [np.frombuffer(parting[at : at + 1], dtype=np.uint8) for at in range(len(parting))] or [_SEPARATORS]
            linked[:-1] = (runs.begin[1:] - ends[:-1] == len(marks)) & (row[1:] == row[:-1])
            for at, mark in enumerate(marks):
                linked[:-1] &= np.isin(runs.data[np.minimum(ends[:-1] + at, len(runs.data) - 1)], mark)
        return cls(len(texts), row, width, linked, np.cumsum(width) - width, runs.data[runs.member])

    def rows_with_bsn(self, in_context: Bools) -> Bools:
        """Texts with 8 or 9 figures that pass the eleven-test: in one run, in a customary grouping, or, in texts that
        name such a number, in any grouping. Eight figures that form a date don't count, unless in such a text.
        """
        named = in_context[self.row]
        hits = np.zeros(self.texts, dtype=np.bool_)
        for width in (8, 9):
            at = np.flatnonzero(self.width == width)
            self._mark(hits, at, width, excuse_dates=~named[at])
        for grouping in _GROUPINGS:
            at = self._grouped(grouping)
            self._mark(hits, at, sum(grouping))
        return hits | self.rows_with_parted_bsn(named)

    def rows_with_parted_bsn(self, where: Bools | None = None) -> Bools:
        """Texts with 8 or 9 figures in any parting that pass the eleven-test; ``where``: of these runs only."""
        hits = np.zeros(self.texts, dtype=np.bool_)
        for count in range(2, 10):
            at, total = self._windows(count)
            for width in (8, 9):
                there = at[total == width]
                self._mark(hits, there if where is None else there[where[there]], width)
        return hits

    def rows_with_listed_bsn(self) -> Bools:
        """Texts with 8 or 9 figures in a customary grouping by themselves that pass the eleven-test."""
        hits = np.zeros(self.texts, dtype=np.bool_)
        for grouping in (each for each in _GROUPINGS if 3 <= len(each) <= 4):
            at = self._grouped(grouping)
            goes_on = np.concatenate([[False], self.linked])
            self._mark(hits, at[~goes_on[at] & ~goes_on[at + len(grouping)]], sum(grouping))
        return hits

    def rows_with_bag(self) -> Bools:
        """Texts with 16 figures whose fifth and sixth are a BAG object type, in one run or as 4-2-10."""
        return self._bag(np.concatenate((np.flatnonzero(self.width == 16), self._grouped((4, 2, 10)))))

    def rows_with_parted_bag(self) -> Bools:
        """The same in any parting."""
        parts = (self._windows(count) for count in range(2, 17))
        return self._bag(np.concatenate([at[total == 16] for at, total in parts]))

    def _bag(self, at: Ints) -> Bools:
        hits = np.zeros(self.texts, dtype=np.bool_)
        found = self._figures(at, 16)
        object_type = found[:, 4] * 10 + found[:, 5]
        hits[self.row[at[np.isin(object_type, BAG_OBJECT_TYPES) & found[:, :4].any(axis=1)]]] = True
        return hits

    def _grouped(self, grouping: tuple[int, ...]) -> Ints:
        """Where runs of exactly these widths follow each other, one separator between them."""
        usable = max(len(self.row) - len(grouping) + 1, 0)
        fits = np.ones(usable, dtype=np.bool_)
        for step, width in enumerate(grouping):
            fits &= self.width[step : step + usable] == width
            if step + 1 < len(grouping):
                fits &= self.linked[step : step + usable]
        return np.flatnonzero(fits)

    def _windows(self, count: int) -> tuple[Ints, Ints]:
        """Where ``count`` linked runs follow each other, and how many figures they have together."""
        usable = max(len(self.row) - count + 1, 0)
        joined = np.ones(usable, dtype=np.bool_)
        for step in range(count - 1):
            joined &= self.linked[step : step + usable]
        at = np.flatnonzero(joined)
        last = at + count - 1
        return at, self.place[last] + self.width[last] - self.place[at]

    def _figures(self, at: Ints, width: int) -> Bytes:
        figures: Bytes = self.digits[self.place[at, None] + np.arange(width)] - np.uint8(48)
        return figures

    def _mark(self, hits: Bools, at: Ints, width: int, *, excuse_dates: Bools | None = None) -> None:
        figures = np.zeros((len(at), 9), dtype=np.uint8)
        figures[:, 9 - width :] = self._figures(at, width)
        leak = passes_eleven_test(figures) & figures.any(axis=1)
        if excuse_dates is not None and width == 8:
            leak &= ~(excuse_dates & _is_date(figures[:, 1:]))
        hits[self.row[at[leak]]] = True


def _is_date(figures: Bytes) -> Bools:
    """Whether eight figures read as yyyymmdd or ddmmyyyy with a year from 1900 to 2099."""

    def number(start: int, width: int) -> Ints:
        powers = 10 ** np.arange(width - 1, -1, -1)
        value: Ints = figures[:, start : start + width] @ powers
        return value

    def dated(year: Ints, month: Ints, day: Ints) -> Bools:
        fits: Bools = (year >= 1900) & (year <= 2099) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
        return fits

    return dated(number(0, 4), number(4, 2), number(6, 2)) | dated(number(4, 4), number(2, 2), number(0, 2))


def rows_with_iban(texts: Any) -> Bools:
    """Texts that hold an IBAN: known country, its length, and remainder 1 modulo 97 (ISO 13616)."""
    hits = np.zeros(len(texts), dtype=np.bool_)
    rows = np.flatnonzero(_matches(texts, _IBAN_START))
    for _ in range(_IBAN_ROUNDS):
        if not rows.size:
            return hits
        left = texts.take(pa.array(rows))
        parts = pc.extract_regex(left, _IBAN_START)
        joined = pc.binary_join_element_wise(pc.struct_field(parts, "head"), pc.struct_field(parts, "rest"), "")
        passed = passes_mod_97(pc.ascii_upper(pc.replace_substring_regex(joined, "[ .-]", "")))
        hits[rows[passed]] = True
        # The head is made unrecognisable, the rest stays: a second number may start inside what the first one took.
        left = pc.replace_substring_regex(left, _IBAN_START, r"#\2", max_replacements=1)
        going_on = ~passed & _matches(left, _IBAN_START)
        whole = pc.replace_with_mask(texts, pa.array(_mask(len(texts), rows)), left)
        texts, rows = whole, rows[going_on]
    hits[rows] = True  # still candidates after so many tries: not a text that may go on unread
    return hits


def _mask(size: int, rows: Ints) -> Bools:
    mask = np.zeros(size, dtype=np.bool_)
    mask[rows] = True
    return mask
