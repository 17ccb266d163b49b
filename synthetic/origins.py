"""Country group of origin of persons, one per household, from a stream of its own: no other draw moves.

Independent of everything else that is drawn, so that a difference by origin in any result is an artefact.
"""

from __future__ import annotations

import numpy as np

from synthetic.calendar_days import Texts
from synthetic.randomness import uniforms
from synthetic.town import Town

ORIGIN_LABELS = {
    "6030": "Nederland",
    "6043": "Turkije",
    "5022": "Marokko",
    "5007": "Suriname",
    "6024": "Indonesië",
    "6029": "Duitsland",
    "7028": "Polen",
    "0000": "overig of onbekend",
}
"""Codes as in the national table of countries (Landelijke tabel 34); all other countries are one code here."""
_SHARES = (0.779, 0.023, 0.023, 0.021, 0.022, 0.021, 0.009, 0.102)  # about those of 2016


def origins(town: Town) -> Texts:
    """Code of the country group per person."""
    u = uniforms(town.seed, "household/origin", town.place.first_id, town.homes.count)[:, 0]
    drawn = np.array(list(ORIGIN_LABELS), dtype="S4")[np.searchsorted(np.cumsum(_SHARES)[:-1], u)]
    return drawn[town.persons.household]
