"""A register of persons and a delivery about them with the errors that real deliveries have, for trying linkage out.

Rates are of the size that linkage studies report (typing errors in 1–4 % of names, a few per cent moved or missing
values; compare Christen 2012, *Data Matching*, chapter 3); they are planted, so every true pair is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthetic import names
from synthetic.randomness import Bools, Floats, Ints, uniforms

MISSING_FROM_REGISTER = 0.03
_HOUSEHOLD = 2.2
_LETTERS = np.array([ord(letter) for letter in "abcdefghijklmnopqrstuvwxyz"], dtype=np.uint32)
_DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_CALL_NAMES = 0.03


@dataclass(frozen=True, slots=True)
class Planted:
    """``register`` as the office's (``RINPERSOON``, names, …), ``delivery`` with the same columns and ``bsn`` empty,
    and per delivered record the number of its register row, -1 when it has none."""

    register: pa.Table
    delivery: pa.Table
    truth: Ints


def misspelt_persons(persons: int, delivered: int, *, seed: int) -> Planted:
    """``persons`` in the register, ``delivered`` records of different persons; same seed, same tables."""
    extra = round(delivered * MISSING_FROM_REGISTER)
    everyone = _everyone(persons + extra, seed)
    order = np.argsort(uniforms(seed, "misspelt/who", 0, persons)[:, 0], kind="stable")[: delivered - extra]
    who = np.concatenate([order, np.arange(persons, persons + extra)])
    who = who[np.argsort(uniforms(seed, "misspelt/order", 0, delivered)[:, 0], kind="stable")]
    truth = np.where(who < persons, who, -1)
    return Planted(_table(everyone, np.arange(persons)), _delivered(everyone, who, seed), truth)


@dataclass(frozen=True, slots=True)
class _Everyone:
    """Columns by number of the person; texts as Arrow arrays."""

    bsn: Any
    surname: Any
    prefix: Any
    first: Any
    woman: Bools
    year: Ints
    month: Ints
    day: Ints
    home: Ints
    homes: int


def _everyone(count: int, seed: int) -> _Everyone:
    u = uniforms(seed, "misspelt/persons", 0, count, 8)
    homes = max(round(count / _HOUSEHOLD), 1)
    home = np.sort((u[:, 0] * homes).astype(np.int64))
    women = u[:, 1] < 0.5
    family = names.surname_numbers(uniforms(seed, "misspelt/families", 0, homes)[:, 0])
    surname = np.where(u[:, 2] < 0.7, family[home], names.surname_numbers(u[:, 3]))
    month = (u[:, 4] * 12).astype(np.int64)
    day = 1 + (u[:, 5] * _DAYS[month]).astype(np.int64)
    firsts = names.texts(names.FIRST_NAMES, names.first_name_numbers(u[:, 6], women))
    second = names.texts(names.FIRST_NAMES, names.first_name_numbers(u[:, 7], women))
    has_second = pa.array(uniforms(seed, "misspelt/second", 0, count)[:, 0] < 0.5)
    return _Everyone(
        bsn=pc.utf8_lpad(pa.array(np.arange(count)).cast(pa.string()), 9, "0"),
        surname=names.texts(names.SURNAMES, surname),
        prefix=names.texts(names.PREFIXES, names.prefix_numbers(surname)),
        first=pc.if_else(has_second, pc.binary_join_element_wise(firsts, second, " "), firsts),
        woman=women,
        year=1925 + (uniforms(seed, "misspelt/years", 0, count)[:, 0] * 90).astype(np.int64),
        month=month + 1,
        day=day,
        home=home,
        homes=homes,
    )


def _table(people: _Everyone, who: Ints) -> pa.Table:
    take = pa.array(who)
    return pa.table(
        {
            "bsn": people.bsn.take(take),
            "surname": people.surname.take(take),
            "prefix": people.prefix.take(take),
            "first_names": people.first.take(take),
            "birth_date": _dates(people.year[who], people.month[who], people.day[who]),
            "sex": _sexes(people.woman[who]),
            **addresses(people.home[who]),
            "RINPERSOON": pc.utf8_lpad(pa.array(who).cast(pa.string()), 9, "0"),
        }
    )


def _delivered(people: _Everyone, who: Ints, seed: int) -> pa.Table:
    u = uniforms(seed, "misspelt/errors", 0, len(who), 16)
    take = pa.array(who)
    surname, prefix = people.surname.take(take), people.prefix.take(take)
    surname, prefix = _married(surname, prefix, people.woman[who] & (people.year[who] < 1992), u[:, :2], seed)
    surname = misspelt(without_marks(surname, u[:, 2] < 0.3), u[:, 3] < 0.03, u[:, 4:6])
    in_front = pa.array((u[:, 6] < 0.1) & ~pc.equal(prefix, "").to_numpy(zero_copy_only=False))
    together = pc.binary_join_element_wise(prefix, surname, " ")
    year, month, day = people.year[who].copy(), people.month[who].copy(), people.day[who].copy()
    return pa.table(
        {
            "bsn": pa.array([""] * len(who)),
            "surname": pc.if_else(in_front, together, surname),
            "prefix": pc.if_else(in_front, "", prefix),
            "first_names": _first_names(people, who, u[:, 7:9], seed),
            "birth_date": _birth_dates(year, month, day, u[:, 9:11]),
            "sex": mixed(_sexes(people.woman[who] ^ (u[:, 11] < 0.003)), u[:, 11] > 0.99, ""),
            **_moved(people, who, u[:, 12:16]),
        }
    )


def _married(surname: Any, prefix: Any, able: Bools, u: Floats, seed: int) -> tuple[Any, Any]:
    """Of married women, some are known by the partner's name, some by both."""
    partner = names.surname_numbers(u[:, 1])
    theirs, before = names.texts(names.SURNAMES, partner), names.texts(names.PREFIXES, names.prefix_numbers(partner))
    both = able & (u[:, 0] < 0.12)
    only = able & (u[:, 0] >= 0.12) & (u[:, 0] < 0.15)
    own = pc.utf8_ltrim_whitespace(pc.binary_join_element_wise(prefix, surname, " "))
    joined = pc.binary_join_element_wise(theirs, own, "-")
    surname = pc.if_else(pa.array(both), joined, pc.if_else(pa.array(only), theirs, surname))
    return surname, pc.if_else(pa.array(both | only), before, prefix)


def _first_names(people: _Everyone, who: Ints, u: Floats, seed: int) -> Any:
    given = people.first.take(pa.array(who))
    initials = pc.binary_join_element_wise(pc.utf8_slice_codeunits(given, 0, 1), "", ".")
    other = names.texts(names.FIRST_NAMES, names.first_name_numbers(u[:, 1], people.woman[who]))
    kind = u[:, 0]
    made = pc.if_else(pa.array(kind < 0.06), initials, given)
    made = pc.if_else(pa.array((kind >= 0.06) & (kind < 0.06 + _CALL_NAMES)), other, made)
    spots = np.stack([u[:, 1], (kind * 1e4) % 1], axis=1)
    return misspelt(without_marks(made, kind > 0.8), (kind > 0.10) & (kind < 0.125), spots)


def _birth_dates(year: Ints, month: Ints, day: Ints, u: Floats) -> Any:
    kind = u[:, 0]
    swapped = (kind < 0.006) & (day <= 12)
    month, day = np.where(swapped, day, month), np.where(swapped, month, day)
    slip = (kind >= 0.006) & (kind < 0.016)
    where = (u[:, 1] * 3).astype(np.int64)
    year = year + np.where(slip & (where == 0), np.where(u[:, 1] * 9 % 1 < 0.5, 1, 10), 0)
    month = np.where(slip & (where == 1), month % 12 + 1, month)
    day = np.where(slip & (where == 2), day % 28 + 1, day)
    return mixed(_dates(year, month, day), (kind >= 0.016) & (kind < 0.022), "")


def _moved(people: _Everyone, who: Ints, u: Floats) -> dict[str, Any]:
    kind = u[:, 0]
    home = np.where(kind < 0.10, (u[:, 1] * people.homes).astype(np.int64), people.home[who])
    address = addresses(home)
    number = np.where((kind >= 0.10) & (kind < 0.115), home % 97 + 2, home % 97 + 1)
    gone = kind > 0.98
    return {
        "postcode": mixed(address["postcode"], gone, ""),
        "house_number": mixed(pa.array(number).cast(pa.string()), gone, ""),
        "addition": address["addition"],
    }


def addresses(home: Ints) -> dict[str, Any]:
    """97 house numbers to a postcode would be many; some twenty share one, as in life."""
    street = home // 20
    digits = pa.array(1000 + street // 400 % 9000).cast(pa.string())
    pairs = np.array([a + b for a in "ABCDEGHJKLNPRTVWXZBC" for b in "ABCDEGHJKLNPRTVWXZAB"])
    letters = pa.array(pairs[street % 400].tolist())
    return {
        "postcode": pc.binary_join_element_wise(digits, letters, ""),
        "house_number": pa.array(home % 97 + 1).cast(pa.string()),
        "addition": pa.array([""] * len(home)),
    }


def _dates(year: Ints, month: Ints, day: Ints) -> Any:
    return pa.array(year * 10_000 + month * 100 + day).cast(pa.string())


def _sexes(woman: Bools) -> Any:
    return pc.if_else(pa.array(woman), "2", "1")


def mixed(values: Any, where: Bools, instead: str) -> Any:
    """``instead`` in the rows of ``where``."""
    return pc.if_else(pa.array(where), instead, values)


def without_marks(values: Any, where: Bools) -> Any:
    """No diacritics in the rows of ``where``."""
    plain = pc.replace_substring_regex(pc.utf8_normalize(values, form="NFKD"), r"\pM+", "")
    return pc.if_else(pa.array(where), plain, values)


def misspelt(values: Any, where: Bools, u: Floats) -> Any:
    """One typing error in the rows of ``where``: a letter changed, left out, doubled, or two exchanged."""
    rows = np.flatnonzero(where)
    if not len(rows):
        return values
    texts = np.array(values.take(pa.array(rows)).to_pylist(), dtype=np.str_)
    width = texts.dtype.itemsize // 4
    letters = np.zeros((len(rows), width + 2), dtype=np.uint32)
    letters[:, :width] = np.ascontiguousarray(texts).view(np.uint32).reshape(len(rows), width)
    length = np.maximum((letters > 0).sum(axis=1), 2)
    at = 1 + (u[rows, 0] * (length - 1)).astype(np.int64)
    kind = (u[rows, 1] * 4).astype(np.int64)
    place = np.broadcast_to(np.arange(width + 2), letters.shape)
    here = at[:, None]
    shift = np.where((kind[:, None] == 1) & (place >= here), 1, np.where((kind[:, None] == 2) & (place > here), -1, 0))
    source = np.clip(place + shift, 0, width + 1)
    exchanged = kind[:, None] == 3
    source = np.where(exchanged & (place == here), place - 1, source)
    source = np.where(exchanged & (place == here - 1), place + 1, source)
    made = np.take_along_axis(letters, source, axis=1)
    changed = np.flatnonzero(kind == 0)
    made[changed, at[changed]] = _LETTERS[(u[rows, 1][changed] * 4 * 26).astype(np.int64) % 26]
    spelt = np.ascontiguousarray(made).view(f"U{width + 2}").ravel()
    whole = np.array(values.to_pylist(), dtype=object)
    whole[rows] = spelt
    return pa.array(whole, pa.string())
