"""Entities: housing corporations first, then firms and foundations, by the national shares of legal forms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from synthetic.calendar_days import OPEN, Texts, day
from synthetic.identifiers import NumberSpace, beid, establishment, kvk
from synthetic.names import SURNAMES, texts
from synthetic.plan import Municipality
from synthetic.randomness import Ints, pick, uniforms

# sole trader, partnership, NV/BV, other (domain.md, section 4)
FORM_SHARES = (0.617, 0.100, 0.246, 0.037)
FORMS = ("10", "20", "30", "40")
FORM_LABELS = {
    "10": "eenmanszaak",
    "20": "maatschap, vof of cv",
    "30": "NV of BV",
    "40": "stichting, vereniging, overig",
}
_FORM_NAMES = ("Bedrijf", "V.O.F.", "B.V.", "Stichting")
_BRANCHES = ("6810", "6820", "4120", "4711", "5610", "5630", "9602", "4520", "7022", "6420", "4932", "8130")
_SIZES = ("00", "10", "21", "22", "30", "40")
CORPORATIONS = 2


@dataclass(frozen=True, slots=True)
class Entities:
    """Entities of one municipality, numbered 0 …; the first ``CORPORATIONS`` own the corporation homes."""

    rsin: Texts
    kvk: Texts
    establishment: Texts
    beid: Texts
    name: pa.Array
    form: Ints
    branch: Texts
    size: Texts
    start: Ints
    end: Ints

    @property
    def count(self) -> int:
        """Number of entities."""
        return len(self.form)


def make_entities(seed: int, place: Municipality, numbers: NumberSpace) -> Entities:
    """``place.entities`` entities with RSIN, KvK number, establishment, BEID, form, branch and size."""
    count = place.entities
    u = uniforms(seed, "entity/basic", place.first_id, count, 6)
    form = pick(u[:, 0], list(FORM_SHARES))
    form[:CORPORATIONS] = 3
    branch = np.array(_BRANCHES, dtype="S5")[(u[:, 1] * len(_BRANCHES)).astype(np.int64)]
    branch[:CORPORATIONS] = b"6820"
    ordinals = place.first_entity + np.arange(count)
    of_chamber = kvk(seed, ordinals)
    surname = texts(SURNAMES, (u[:, 2] * len(SURNAMES)).astype(np.int64))
    end = np.where(u[:, 4] < 0.12, day(2010) + np.floor(2100 * u[:, 5]).astype(np.int64), OPEN)
    end[:CORPORATIONS] = OPEN
    kinds = texts(_FORM_NAMES, form)
    name = pa.compute.binary_join_element_wise(kinds, surname, pa.array([place.digits] * count), " ")
    return Entities(
        rsin=numbers.others(place.first_other + place.unregistered + np.arange(count)),
        kvk=of_chamber,
        establishment=establishment(of_chamber),
        beid=beid(seed, ordinals),
        name=name,
        form=form,
        branch=branch,
        size=np.array(_SIZES, dtype="S2")[pick(u[:, 3], [0.55, 0.3, 0.08, 0.04, 0.02, 0.01])],
        start=day(1970) + np.floor((day(1995, 6) - day(1970)) * u[:, 5]).astype(np.int64),
        end=end,
    )
