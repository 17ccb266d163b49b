"""Objects of one municipality: homes, demolished homes, institutions; type, floor area, tenure, value, address."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.areas import Areas
from synthetic.calendar_days import OPEN, Texts, day, digits, glue
from synthetic.identifiers import postcode
from synthetic.names import STREETS
from synthetic.plan import Municipality
from synthetic.randomness import Floats, Ints, normals, uniforms

DETACHED, SEMI, CORNER, TERRACED, APARTMENT = 1, 2, 3, 4, 5
OWN, CORPORATION, PRIVATE, UNKNOWN = 1, 2, 3, 9
# tenure 2019 (domain.md, section 4), in per cent
TENURE_SHARES = {OWN: 57.4, CORPORATION: 29.4, PRIVATE: 12.9, UNKNOWN: 0.4}
WOZ_YEARS = (2012, 2013, 2014, 2015, 2016)
WOZ_MISSING = 9_999_999_999
_WOZ_INDEX = (1.08, 1.03, 0.98, 0.97, 1.0)
_TYPE_SHARES = np.array([0.16, 0.12, 0.14, 0.26, 0.32])
_AREA_MEDIAN = np.array([0.0, 158.0, 128.0, 114.0, 104.0, 74.0])
_TYPE_VALUE = np.array([0.0, 0.45, 0.20, 0.06, 0.0, -0.22])
_TYPE_OWN = np.array([0.0, 1.2, 0.8, 0.3, 0.0, -0.8])
VACANT_SHARE = 0.03
DEMOLISHED_SHARE = 0.006
_STREET_LENGTH = 40
_ADDITIONS = ("", "A", "B", "C", "H", "bis", "II")


@dataclass(frozen=True, slots=True)
class Objects:
    """Homes first (``homes``), then demolished homes (``demolished``), then institutions; kind 0 = no home."""

    homes: int
    demolished: int
    buurt: Ints
    kind: Ints
    floor_area: Ints
    tenure: Ints
    woz: Ints
    start: Ints
    end: Ints
    postcode: Texts
    house_number: Texts
    addition: Texts
    street: Ints

    @property
    def count(self) -> int:
        """All objects."""
        return len(self.kind)


def make_objects(seed: int, place: Municipality, areas: Areas, *, households: int, institutions: int) -> Objects:
    """3 % more homes than households, 0.6 % demolished homes, one object per institution; ``woz`` is (objects, 5)."""
    homes = households + max(3, round(households * VACANT_SHARE))
    demolished = max(2, round(homes * DEMOLISHED_SHARE))
    count = homes + demolished + institutions
    ids = place.first_id
    u = uniforms(seed, "object/basic", ids, count, 6)
    share = np.cumsum(areas.weight) / areas.weight.sum()
    even = (np.arange(count) + 0.5) / homes
    buurt = np.searchsorted(share, np.where(np.arange(count) < homes, even, u[:, 0])).clip(0, place.buurten - 1)
    deprivation = areas.deprivation[buurt]
    is_home = np.arange(count) < homes + demolished
    kind = np.where(is_home, _types(deprivation, u[:, 1]), 0)
    median = np.where(kind == 0, 800.0, _AREA_MEDIAN[kind])
    floor_area = median * np.exp(0.25 * normals(seed, "object/area", ids, count)[:, 0])
    old, recent = (day(1900), day(1995, 12)), (day(1996, 2), day(2008, 12))
    span = np.where(u[:, 2] < 0.8, old[1] - old[0], recent[1] - recent[0])
    start = np.where(u[:, 2] < 0.8, old[0], recent[0]) + np.floor(span * u[:, 3]).astype(np.int64)
    gone = is_home & (np.arange(count) >= homes)
    start = np.where(gone, np.minimum(start, day(1990)), start)
    end = np.where(gone, np.floor(day(2004) + 1700 * u[:, 4]).astype(np.int64), OPEN)
    number, addition, street, code = _addresses(place, areas, buurt, kind, u[:, 5])
    return Objects(
        homes=homes,
        demolished=demolished,
        buurt=buurt.astype(np.int64),
        kind=kind,
        floor_area=np.maximum(np.rint(floor_area), 15).astype(np.int64),
        tenure=_tenure(seed, ids, kind, deprivation),
        woz=_woz(seed, place, kind, floor_area, deprivation),
        start=start,
        end=end,
        postcode=code,
        house_number=number,
        addition=addition,
        street=street,
    )


def _types(deprivation: Floats, u: Floats) -> Ints:
    """Dwelling types; deprived *buurten* have more apartments and fewer detached homes."""
    pull = np.array([-0.6, -0.3, 0.0, 0.05, 0.5])
    weights = _TYPE_SHARES * np.exp(np.clip(deprivation, -2, 2)[:, None] * pull)
    edges = np.cumsum(weights, axis=1)
    kinds: Ints = (u[:, None] * edges[:, -1:] > edges[:, :-1]).sum(axis=1) + 1
    return kinds


def _tenure(seed: int, ids: int, kind: Ints, deprivation: Floats) -> Ints:
    """Tenure by rank of a score, so that the national shares hold in every municipality."""
    u = uniforms(seed, "object/tenure", ids, len(kind), 3)
    homes = np.flatnonzero(kind > 0)
    own_score = (_TYPE_OWN[kind] - 0.6 * deprivation + np.log(u[:, 0] / (1 - u[:, 0])))[homes]
    total = sum(TENURE_SHARES.values())
    tenure = np.full(len(kind), CORPORATION, dtype=np.int64)
    owned = homes[np.argsort(-own_score, kind="stable")[: round(len(homes) * TENURE_SHARES[OWN] / total)]]
    tenure[owned] = OWN
    rest = np.flatnonzero((tenure == CORPORATION) & (kind > 0))
    rent_score = (0.5 * (kind == DETACHED) + 0.4 * (kind == APARTMENT) + np.log(u[:, 1] / (1 - u[:, 1])))[rest]
    tenure[rest[np.argsort(-rent_score, kind="stable")[: round(len(homes) * TENURE_SHARES[PRIVATE] / total)]]] = PRIVATE
    tenure[(u[:, 2] < TENURE_SHARES[UNKNOWN] / total) & (kind > 0)] = UNKNOWN
    return tenure


def _woz(seed: int, place: Municipality, kind: Ints, floor_area: Floats, deprivation: Floats) -> Ints:
    """Lognormal values of 2012 … 2016 in whole thousands of euros; 0.5 % missing."""
    ids = place.first_id
    noise = normals(seed, "object/woz", ids, len(kind), 1 + len(WOZ_YEARS))
    local = 0.10 * normals(seed, "municipality/woz", place.index, 1)[0, 0]
    relative = np.log(np.maximum(floor_area, 15.0) / np.maximum(_AREA_MEDIAN[kind], 15.0))
    level = np.log(205_000) + _TYPE_VALUE[kind] + 0.6 * relative - 0.2 * deprivation + local + 0.13 * noise[:, 0]
    yearly = np.exp(level[:, None] + 0.01 * noise[:, 1:]) * np.array(_WOZ_INDEX)
    values = (np.rint(yearly / 1000) * 1000).astype(np.int64)
    missing = uniforms(seed, "object/woz-missing", ids, len(kind), len(WOZ_YEARS)) < 0.005
    return np.where(missing, WOZ_MISSING, values)


def _addresses(
    place: Municipality, areas: Areas, buurt: Ints, kind: Ints, u: Floats
) -> tuple[Texts, Texts, Ints, Texts]:
    """House number, addition, street position and postcode; forty addresses to a street and postcode."""
    order = np.argsort(buurt, kind="stable")
    wijk = areas.wijk[buurt]
    in_order = np.empty(len(buurt), dtype=np.int64)
    in_order[order] = np.arange(len(buurt))
    wijk_first = np.searchsorted(wijk[order], np.arange(place.wijken))
    within = in_order - wijk_first[wijk]
    segment = within // _STREET_LENGTH
    before = np.concatenate([[0], np.cumsum(np.bincount(wijk, minlength=place.wijken) // _STREET_LENGTH + 1)])[wijk]
    street = (before + segment + place.index * 53) * 37 % len(STREETS)
    number = np.strings.lstrip(digits(within % _STREET_LENGTH + 1 + 40 * (segment // 400), 4), b"0")
    addition = np.array(_ADDITIONS, dtype="S3")[np.where((kind == APARTMENT) | (u < 0.02), u * 97 % 7, 0).astype(int)]
    return number, addition, street.astype(np.int64), postcode(areas.postcode_four[buurt], segment % 400)


def address_text(objects: Objects, rows: Ints) -> Texts:
    """Postcode, blank, house number and addition, as people write them."""
    return glue(objects.postcode[rows], b" ", objects.house_number[rows], objects.addition[rows])
