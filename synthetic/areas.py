"""Areas: *wijken* and *buurten* of a municipality with invented codes, and the latent deprivation of each *buurt*."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthetic.plan import Municipality
from synthetic.randomness import Floats, Ints, normals, uniforms

_STEMS = ("Zilver", "Kraan", "Uilen", "Molen", "Winter", "Haver", "Koren", "Reiger", "Elzen", "Brem", "Linde", "Wolfs")
_ENDS = ("hoek", "veld", "wijk", "rijk", "dal", "oord", "kamp", "horst", "beek", "poort", "weide")
HEMP_SIGMA = 0.5


@dataclass(frozen=True, slots=True)
class Areas:
    """The *buurten* of one municipality, in order; ``deprivation`` and ``hemp_effect`` are independent by design."""

    bc: npt.NDArray[np.bytes_]
    wc: npt.NDArray[np.bytes_]
    wijk: Ints
    weight: Floats
    deprivation: Floats
    hemp_effect: Floats
    postcode_four: Ints


def make_areas(seed: int, place: Municipality) -> Areas:
    """Codes 9001yyzz (some with a letter), sizes, deprivation N(0, 1), and the hemp effect N(0, 0.5²) per *buurt*."""
    wijk = np.arange(place.buurten) * place.wijken // place.buurten
    first = np.searchsorted(wijk, wijk)
    within = np.arange(place.buurten) - first
    wc = [f"{place.digits}{number:02d}" for number in range(place.wijken)]
    # as in the real classification, a few buurten end in a letter
    bc = [
        f"{wc[w]}0{chr(65 + n)}" if (w + n) % 3 == 2 else f"{wc[w]}{n:02d}"
        for w, n in zip(wijk.tolist(), within.tolist(), strict=True)
    ]
    start = place.first_id
    of_wijk = normals(seed, "area/wijk-deprivation", start, place.wijken)[:, 0]
    of_buurt = normals(seed, "area/buurt-deprivation", start, place.buurten)[:, 0]
    return Areas(
        bc=np.array(bc, dtype="S8"),
        wc=np.array(wc, dtype="S6")[wijk],
        wijk=wijk.astype(np.int64),
        weight=0.75 + 0.5 * uniforms(seed, "area/weight", start, place.buurten)[:, 0],
        deprivation=np.sqrt(0.5) * (of_wijk[wijk] + of_buurt),
        hemp_effect=HEMP_SIGMA * normals(seed, "area/hemp", start, place.buurten)[:, 0],
        postcode_four=(1011 + (place.first_wijk + wijk) % 8900).astype(np.int64),
    )


def region_rows(place: Municipality, areas: Areas) -> list[tuple[str, str, str, str, str]]:
    """Rows (code, parent, level, label_nl, label_en) of the region classification for one municipality."""
    name = _name(place.index * 31)
    rows = [(place.code, "NL", "GM", f"{name} (verzonnen)", f"{name} (invented)")]
    for number in range(place.wijken):
        wijk = f"WK{place.digits}{number:02d}"
        rows.append((wijk, place.code, "WK", f"Wijk {number:02d} {name}", f"District {number:02d} {name}"))
        for row in np.flatnonzero(areas.wijk == number).tolist():
            code = areas.bc[row].decode()
            label = _name(place.index * 131 + row * 7 + 3)
            rows.append((f"BU{code}", wijk, "BU", f"{label} {code[4:]}", f"{label} {code[4:]}"))
    return rows


def _name(number: int) -> str:
    return _STEMS[number % len(_STEMS)] + _ENDS[number // len(_STEMS) % len(_ENDS)]
