"""Entities: housing corporations first, then firms and foundations, by the national shares of legal forms.

As in a business register each has a statutory name, some a trade name beside it, an address, and some a second
establishment with an address and a trade name of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from synthetic.calendar_days import OPEN, Texts, day
from synthetic.identifiers import NumberSpace, beid, establishment, kvk, second_establishment
from synthetic.names import STREETS, SURNAMES, TRADES, joined, texts
from synthetic.plan import Municipality
from synthetic.randomness import Floats, Ints, pick, uniforms

# sole trader, partnership, NV/BV, other (domain.md, section 4)
FORM_SHARES = (0.617, 0.100, 0.246, 0.037)
FORMS = ("10", "20", "30", "40")
FORM_LABELS = {
    "10": "eenmanszaak",
    "20": "maatschap, vof of cv",
    "30": "NV of BV",
    "40": "stichting, vereniging, overig",
}
_IN_FRONT, _BEHIND = ("", "", "", "Stichting"), ("", "V.O.F.", "B.V.", "")
_TRADE_NAMES, _SECOND_ESTABLISHMENTS = 0.15, 0.08
_BRANCHES = ("6810", "6820", "4120", "4711", "5610", "5630", "9602", "4520", "7022", "6420", "4932", "8130")
_SIZES = ("00", "10", "21", "22", "30", "40")
CORPORATIONS = 2


@dataclass(frozen=True, slots=True)
class SecondEstablishments:
    """Establishments beside the first: of which entity, under which number and trade name, at which object."""

    entity: Ints
    number: Texts
    trade_name: pa.Array
    home: Ints


@dataclass(frozen=True, slots=True)
class Entities:
    """Entities of one municipality, numbered 0 …; the first ``CORPORATIONS`` own the corporation homes.

    ``home`` is the object at which an entity has its first establishment; ``trade_name`` is empty where it trades under
    its statutory ``name``.
    """

    rsin: Texts
    kvk: Texts
    establishment: Texts
    beid: Texts
    name: pa.Array
    trade_name: pa.Array
    home: Ints
    second: SecondEstablishments
    form: Ints
    branch: Texts
    size: Texts
    start: Ints
    end: Ints

    @property
    def count(self) -> int:
        """Number of entities."""
        return len(self.form)


def make_entities(seed: int, place: Municipality, numbers: NumberSpace, homes: int) -> Entities:
    """``place.entities`` entities with numbers, names, form, branch and size, each at one of the first ``homes``."""
    count = place.entities
    u = uniforms(seed, "entity/basic", place.first_id, count, 6)
    form = pick(u[:, 0], list(FORM_SHARES))
    form[:CORPORATIONS] = 3
    branch = np.array(_BRANCHES, dtype="S5")[(u[:, 1] * len(_BRANCHES)).astype(np.int64)]
    branch[:CORPORATIONS] = b"6820"
    ordinals = place.first_entity + np.arange(count)
    of_chamber = kvk(seed, ordinals)
    end = np.where(u[:, 4] < 0.12, day(2010) + np.floor(2100 * u[:, 5]).astype(np.int64), OPEN)
    end[:CORPORATIONS] = OPEN
    v = uniforms(seed, "entity/named", place.first_id, count, 8)
    name = joined(texts(_IN_FRONT, form), _core(u[:, 2], v[:, :3]), texts(_BEHIND, form))
    trade_name = pa.compute.if_else(pa.array(v[:, 3] < _TRADE_NAMES), _trade_name(v[:, 4:6]), "")
    second = np.flatnonzero(v[:, 6] < _SECOND_ESTABLISHMENTS)
    w = uniforms(seed, "entity/second", place.first_id, count, 3)[second]
    return Entities(
        rsin=numbers.others(place.first_other + place.unregistered + np.arange(count)),
        kvk=of_chamber,
        establishment=establishment(of_chamber),
        beid=beid(seed, ordinals),
        name=name,
        trade_name=trade_name,
        home=(v[:, 7] * homes).astype(np.int64),
        second=SecondEstablishments(
            second, second_establishment(of_chamber[second]), _trade_name(w[:, :2]), (w[:, 2] * homes).astype(np.int64)
        ),
        form=form,
        branch=branch,
        size=np.array(_SIZES, dtype="S2")[pick(u[:, 3], [0.55, 0.3, 0.08, 0.04, 0.02, 0.01])],
        start=day(1970) + np.floor((day(1995, 6) - day(1970)) * u[:, 5]).astype(np.int64),
        end=end,
    )


def _core(surname: Floats, u: Floats) -> pa.Array:
    """A surname and a trade; every other time a street too."""
    street = texts(STREETS, (u[:, 1] * len(STREETS)).astype(np.int64))
    return joined(
        texts(SURNAMES, (surname * len(SURNAMES)).astype(np.int64)),
        texts(TRADES, (u[:, 0] * len(TRADES)).astype(np.int64)),
        pa.compute.if_else(pa.array(u[:, 2] < 0.5), street, ""),
    )


def _trade_name(u: Floats) -> pa.Array:
    trade = texts(TRADES, (u[:, 0] * len(TRADES)).astype(np.int64))
    return joined(trade, texts(STREETS, (u[:, 1] * len(STREETS)).astype(np.int64)))
