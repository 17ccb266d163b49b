"""How two records of entities are compared, what finds the pairs, and what is known beforehand."""

from __future__ import annotations

from linkage.comparisons import Comparison, Level, living_at, missing, same_or_other
from linkage.entity_fields import FIELDS, REGISTER_COLUMNS, prepare
from linkage.unit_model import UnitModel

COMPARISONS = (
    Comparison(
        "name",
        missing("name"),
        (
            Level("same", "name_l = name_r", 0.80, exact=("name",), own=True),
            Level("same words", "words_l = words_r", 0.03, exact=("words",), less=("name",), own=True),
            Level("one of two names", "name_l = other_r OR other_l = name_r OR other_l = other_r", 0.03),
            # Sisters share their address: between strangers such names are rare, between neighbours they are not.
            Level("of the same group", "core_l = core_r", 0.001, fixed_u=0.128),
            Level("spelt alike", "jaro_winkler_similarity(name_l, name_r) >= 0.94", 0.07),
            Level("resembles", "jaro_winkler_similarity(name_l, name_r) >= 0.86", 0.026),
            Level("other", "ELSE", 0.04),
        ),
    ),
    same_or_other("form", 0.97),
    living_at(0.78, 0.02, 0.06, own=True),
)

ENTITIES = UnitModel(
    mark="E",
    register="entities.parquet",
    unit="BEID",
    identifiers={"rsin": "rsin", "kvk": "kvk"},
    register_columns=REGISTER_COLUMNS,
    prepare=prepare,
    fields=FIELDS,
    shown=("name", "other", "form", "postcode", "number"),
    comparisons=COMPARISONS,
    needs={"name": "name", "form": "form", "address": "place"},
    several_rows=True,
    passes=(
        ("name", "l.name = r.name"),
        ("words in another order", "l.words = r.words"),
        ("second name", "l.other = r.name"),
        ("second name (register)", "l.name = r.other"),
        ("address", "l.postcode = r.postcode AND l.number = r.number"),
        ("postcode, first letters", "l.postcode = r.postcode AND l.start = r.start"),
        ("sound, place", "l.sound = r.sound AND l.place = r.place"),
        ("longest word, place", "l.longest = r.longest AND l.place = r.place"),
        ("sound, house number", "l.sound = r.sound AND l.number = r.number"),
        ("sound, longest word", "l.sound = r.sound AND l.longest = r.longest"),
    ),
)
