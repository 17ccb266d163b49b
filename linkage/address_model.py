"""How two addresses are compared, what finds the pairs, and what is known beforehand.

The parts of an address hang together (a postcode tells the street), so that most of the evidence is one comparison of
levels that are counted over all pairs; the street by itself counts where the postcode has not told it.
"""

from __future__ import annotations

from linkage.address_fields import FIELDS, REGISTER_COLUMNS, prepare
from linkage.comparisons import Comparison, Level, missing
from linkage.unit_model import UnitModel

_SAME_DOOR = "number_l = number_r AND addition_l = addition_r"
_SAME_STREET = "street_l = street_r AND town_l = town_r"

COMPARISONS = (
    Comparison(
        "home",
        missing("number"),
        (
            Level(
                "same",
                f"postcode_l = postcode_r AND {_SAME_DOOR}",
                0.85,
                exact=("postcode", "number", "addition"),
                own=True,
            ),
            Level(
                "same by street",
                f"{_SAME_STREET} AND {_SAME_DOOR}",
                0.06,
                exact=("town", "street", "number", "addition"),
                less=("town", "street", "number", "addition", "postcode"),
                own=True,
            ),
            Level(
                "same house number, other addition",
                "postcode_l = postcode_r AND number_l = number_r",
                0.03,
                exact=("postcode", "number"),
                less=("postcode", "number", "addition"),
                own=True,
            ),
            # Neighbours agree so too, and a neighbour is no evidence: one weight for all, against.
            Level("same street, other number", "postcode_l = postcode_r", 0.01, fixed_u=0.16),
            Level(
                "postcode of one other character",
                f"damerau_levenshtein(postcode_l, postcode_r) <= 1 AND {_SAME_DOOR}",
                0.02,
            ),
            Level("same door", _SAME_DOOR, 0.02, exact=("number", "addition"), less=("postcode", "number", "addition")),
            Level("other", "ELSE", 0.01),
        ),
    ),
    Comparison(
        "street",
        # told by the postcode already, or by street and municipality
        f"{missing('street')} OR ({_SAME_STREET} AND {_SAME_DOOR}) "
        "OR (postcode_l = postcode_r AND street_l = street_r)",
        (
            Level("same", "street_l = street_r", 0.60, exact=("street",)),
            Level("spelt alike", "jaro_winkler_similarity(street_l, street_r) >= 0.9", 0.25),
            Level("other", "ELSE", 0.15),
        ),
    ),
    Comparison(
        "town",
        f"{missing('town')} OR ({_SAME_STREET} AND {_SAME_DOOR}) OR place_l = place_r",
        (Level("same", "town_l = town_r", 0.96, exact=("town",)), Level("other", "ELSE", 0.04)),
    ),
)

ADDRESSES = UnitModel(
    mark="O",
    register="addresses.parquet",
    unit="RINOBJECTNUMMER",
    identifiers={"bag": "bag_id"},
    register_columns=REGISTER_COLUMNS,
    prepare=prepare,
    fields=FIELDS,
    shown=("street", "postcode", "number", "addition", "town"),
    comparisons=COMPARISONS,
    needs={"home": "number", "street": "street", "town": "town"},
    passes=(
        ("address", "l.postcode = r.postcode AND l.number = r.number AND l.addition = r.addition"),
        ("postcode, house number", "l.postcode = r.postcode AND l.number = r.number"),
        ("street, house number, municipality", "l.street = r.street AND l.number = r.number AND l.town = r.town"),
        ("street, house number, place", "l.street = r.street AND l.number = r.number AND l.place = r.place"),
        ("house number, place", "l.number = r.number AND l.place = r.place"),
        ("street, house number", "l.street = r.street AND l.number = r.number"),
    ),
)
