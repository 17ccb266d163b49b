"""How two records of persons are compared: levels of agreement, what finds the pairs, and what is known beforehand.

The m given here are what Dutch registers and careful suppliers show; training moves them as far as the records of a
project bear out.
"""

from __future__ import annotations

from linkage.comparisons import Comparison, Level, living_at, missing, same_or_other
from linkage.person_fields import FIELDS, REGISTER_COLUMNS, prepare
from linkage.unit_model import UnitModel

_EXCHANGED = "(surname_l = first_r AND first_l = surname_r AND surname_l <> surname_r)"


COMPARISONS = (
    Comparison(
        "surname",
        missing("surname"),
        (
            Level("same", "surname_l = surname_r", 0.878, exact=("surname",), frequency="surname"),
            Level("one of two names", "surname_l = other_r OR other_l = surname_r OR other_l = other_r", 0.035),
            Level("exchanged with first name", _EXCHANGED, 0.002),
            Level("spelt alike", "jaro_winkler_similarity(surname_l, surname_r) >= 0.92", 0.04),
            Level(
                "sounds alike",
                "sound_l = sound_r OR jaro_winkler_similarity(surname_l, surname_r) >= 0.85",
                0.015,
            ),
            Level("other", "ELSE", 0.03),
        ),
    ),
    Comparison(
        "first",
        # exchanged names are evidence once, with the surname
        f"{missing('first')} OR {_EXCHANGED}",
        (
            Level(
                "initial only",
                "initial_l = initial_r AND (length(first_l) = 1 OR length(first_r) = 1)",
                0.05,
            ),
            Level("same", "first_l = first_r", 0.86, exact=("first",), frequency="first"),
            Level("spelt alike", "jaro_winkler_similarity(first_l, first_r) >= 0.88", 0.045),
            Level("same initial", "initial_l = initial_r", 0.01),
            Level("other", "ELSE", 0.035),
        ),
    ),
    Comparison(
        "birth",
        missing("birth"),
        (
            Level("same", "birth_l = birth_r", 0.955, exact=("birth",)),
            Level("day and month exchanged", "birth_l = swapped_r", 0.008),
            Level("one digit", "damerau_levenshtein(birth_l, birth_r) <= 1", 0.022),
            Level(
                "two parts of three",
                "substr(birth_l, 5, 4) = substr(birth_r, 5, 4) OR (substr(birth_l, 1, 4) = substr(birth_r, 1, 4) AND "
                "(substr(birth_l, 5, 2) = substr(birth_r, 5, 2) OR substr(birth_l, 7, 2) = substr(birth_r, 7, 2)))",
                0.008,
            ),
            Level("other", "ELSE", 0.007),
        ),
    ),
    same_or_other("sex", 0.99),
    living_at(0.80, 0.015, 0.065),
)
"""Persons are compared by these; a delivery that lacks a field leaves its comparison out."""

PASSES = (
    ("birth date, initial", "l.birth = r.birth AND l.initial = r.initial"),
    ("birth date, sound of surname", "l.birth = r.birth AND l.sound = r.sound"),
    ("address", "l.postcode = r.postcode AND l.number = r.number"),
    ("exchanged birth date, initial", "l.birth = r.swapped AND l.initial = r.initial"),
    (
        "name, birth year",
        "l.surname = r.surname AND l.first = r.first AND substr(l.birth, 1, 4) = substr(r.birth, 1, 4)",
    ),
    ("birth date, two surnames", "l.birth = r.birth AND l.sound = r.other_sound"),
    ("birth date, two surnames (register)", "l.birth = r.birth AND l.other_sound = r.sound"),
    ("name, place", "l.surname = r.surname AND l.first = r.first AND l.place = r.place"),
    ("birth date, place", "l.birth = r.birth AND l.place = r.place"),
    ("birth date, house number", "l.birth = r.birth AND l.number = r.number"),
    ("surname and first name exchanged", "l.surname = r.first AND l.first = r.surname"),
    (
        "name, birthday",
        "l.surname = r.surname AND l.first = r.first AND substr(l.birth, 5, 4) = substr(r.birth, 5, 4)",
    ),
)
"""What finds the pairs, in this order; a pair's pass is the first that finds it."""

TRAINING = (("birth", "l.birth = r.birth"), ("surname, first", "l.surname = r.surname AND l.first = r.first"))
"""Pairs on which m is trained, and the comparisons that such pairs say nothing about."""

PERSONS = UnitModel(
    mark="P",
    register="persons.parquet",
    unit="RINPERSOON",
    identifiers={"bsn": "bsn"},
    register_columns=REGISTER_COLUMNS,
    prepare=prepare,
    fields=FIELDS,
    shown=("surname", "other", "first", "birth", "sex", "postcode", "number"),
    comparisons=COMPARISONS,
    needs={"surname": "surname", "first": "first", "birth": "birth", "sex": "sex", "address": "place"},
    passes=PASSES,
    training=TRAINING,
)
