"""The planted truth of V3: how often each dwelling changed hands, from the planted deeds themselves."""

from __future__ import annotations

import numpy as np

from synthetic.calendar_days import OPEN, WINDOW_START
from synthetic.dwellings import WOZ_MISSING, Objects
from synthetic.ownership import Deeds, DeedType
from synthetic.randomness import Bools, Ints

FLAG_FROM = 5
WOZ_CLASSES = ("<150k", "150-250k", "250-400k", ">=400k", "unknown")


def changes_of_hands(deeds: Deeds, objects: int) -> Ints:
    """Number of changes per object: deed dates with a sale after which the owner set is another one."""
    day_end = np.append((deeds.object[1:] != deeds.object[:-1]) | (deeds.day[1:] != deeds.day[:-1]), True)
    group = np.concatenate([[0], np.cumsum(day_end)[:-1]])
    sold = np.zeros(int(day_end.sum()), dtype=np.bool_)
    sold[group[deeds.type == DeedType.SALE]] = True
    thing = deeds.object[day_end]
    low = np.minimum(deeds.first, deeds.second)[day_end]
    high = np.maximum(deeds.first, deeds.second)[day_end]
    fresh = np.append(True, (thing[1:] != thing[:-1]) | (low[1:] != low[:-1]) | (high[1:] != high[:-1]))
    return np.bincount(thing[sold & fresh], minlength=objects).astype(np.int64)


def in_population(objects: Objects) -> Bools:
    """Homes that stood through the whole window."""
    standing: Bools = (objects.kind > 0) & (objects.start <= WINDOW_START) & (objects.end == OPEN)
    return standing


def woz_class(objects: Objects) -> Ints:
    """Position in ``WOZ_CLASSES`` of the value of 2016."""
    value = objects.woz[:, 4]
    return np.where(value == WOZ_MISSING, 4, np.searchsorted([150_000, 250_000, 400_000], value, side="right"))
