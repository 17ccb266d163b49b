"""Planted truths of the registers by theme: members, hubs, hot spots, types of *wijk*, bait, and the parameters."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from synthetic import careers, personal_incomes, recruits, wijk_types
from synthetic.calendar_days import digits, glue
from synthetic.establishments import BRANCHES, LEAST_EXPECTED, QUOTIENT, national_shares
from synthetic.foundations import KINDS
from synthetic.holdings import BAIT
from synthetic.justice import NON_RESIDENT_SHARE
from synthetic.key_register import ParquetFiles
from synthetic.missing_values import REASONS, SCHEMA, missing_values
from synthetic.offences import CLASSES
from synthetic.randomness import Ints
from synthetic.registers import arrow_table
from synthetic.suspicious_transactions import BV_RATIO
from synthetic.theme_blocks import Rows, code_of
from synthetic.theme_registers import ESTABLISHMENT_TAB, VEHICLE_TAB
from synthetic.themes import Themes
from synthetic.town import Town
from synthetic.vehicles import BAIT_KINDS

_SCHEMAS = {
    "windhappers": pa.schema([("RINPERSOON", pa.string()), ("variant", pa.string()), ("planted", pa.string())]),
    "director_hubs": pa.schema([("RINPERSOON", pa.string()), ("kind", pa.string()), ("degree", pa.int64())]),
    "branch_hot_spots": pa.schema(
        [("buurt", pa.string()), ("SBI", pa.string()), ("establishments", pa.int64()), ("expected", pa.float64())]
    ),
    "wijk_types": pa.schema([("wijk", pa.string()), ("type", pa.string()), ("dwellings", pa.int64())]),
    "disclosure_bait": pa.schema(
        [("kind", pa.string()), ("register", pa.string()), ("buurt", pa.string()), ("VOERTUIGSOORT", pa.string())]
    ),
    "holding_bait": pa.schema([(name, pa.string()) for name in ("kind", "register", "buurt", "SBI")]),
    "missing_values": SCHEMA,
}


class ThemeTruthFiles:
    """Written as the municipalities come; the parameters at the end."""

    def __init__(self, folder: Path, municipalities: int) -> None:
        self._folder = folder
        self._municipalities = municipalities
        self._files = ParquetFiles(folder, _SCHEMAS)

    def __enter__(self) -> ThemeTruthFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()
        if kind is None:
            text = json.dumps(parameters(), indent=1, ensure_ascii=False)
            (self._folder / "themes.json").write_text(text + "\n", encoding="utf-8")

    def append(self, town: Town, themes: Themes) -> None:
        """Append one municipality's truths."""
        self._write("windhappers", _windhappers(town, themes))
        self._write("director_hubs", _hubs(town, themes))
        self._write("branch_hot_spots", _hot_spots(town, themes))
        self._write("wijk_types", _types(town, themes))
        self._write("disclosure_bait", _bait(town, themes))
        self._write("holding_bait", _holding_bait(town, themes))
        for rows in missing_values(town, themes, self._municipalities):
            self._write("missing_values", rows)

    def _write(self, name: str, rows: Rows) -> None:
        self._files.write(name, arrow_table(rows, _SCHEMAS[name]))


def parameters() -> dict[str, object]:
    """What ``truth/themes.json`` holds: every planted probability, ratio and share."""
    return {
        "directors": {
            "antecedent": careers.ANTECEDENT_OF_DIRECTORS,
            "ratio_five_and_more": careers.DIRECTOR_RATIO,
            "antecedent_period": ["20090101", "20151231"],
        },
        "career": {
            "crimes": list(careers.CRIMES),
            "first": careers.FIRST_SHARES,
            "transitions": careers.TRANSITIONS,
        },
        "drug_facts": {
            "classes": list(CLASSES),
            "age_groups": careers.AGE_GROUPS,
            "shares": dict(zip(careers.AGE_GROUPS, careers.DRUG_SHARES, strict=True)),
            "places": list(careers.PLACES),
            "place_shares": dict(zip((*CLASSES, ""), careers.PLACE_SHARES, strict=True)),
        },
        "recruits": {"overall": recruits.OVERALL, "lifts": recruits.LIFTS},
        "non_resident_suspects": NON_RESIDENT_SHARE,
        "branch": {"quotient": QUOTIENT, "least_expected": LEAST_EXPECTED},
        "fiu": {"bv_ratio": BV_RATIO},
        "wijk_types": {
            "mortgage": dict(zip(wijk_types.TYPES, wijk_types.MORTGAGE_SHARES.tolist(), strict=True)),
            "assistance": dict(zip(wijk_types.TYPES, wijk_types.BENEFIT_SHARES.tolist(), strict=True)),
            "vans": dict(zip(wijk_types.TYPES, wijk_types.VAN_SHARES.tolist(), strict=True)),
        },
        "windhapper_norms": {"alone": personal_incomes.NORM_ALONE, "together": personal_incomes.NORM_TOGETHER},
        "missing": REASONS,
    }


def _windhappers(town: Town, themes: Themes) -> Rows:
    incomes = themes.incomes
    rows = np.flatnonzero(incomes.windhapper > 0)
    kind = incomes.windhapper[rows]
    variants = ("", "A", "B", "C", "", "", "")
    return {
        "RINPERSOON": town.identities.rin[incomes.person[rows]],
        "variant": pa.array(variants).take(pa.array(kind)),
        "planted": pa.array(personal_incomes.WINDHAPPERS).take(pa.array(kind)),
    }


def _hubs(town: Town, themes: Themes) -> Rows:
    found = themes.foundations
    return {
        "RINPERSOON": town.identities.rin[found.special],
        "kind": pa.array(KINDS).take(pa.array(found.special_kind)),
        "degree": found.degree[found.special],
    }


def _hot_spots(town: Town, themes: Themes) -> Rows:
    found = themes.establishments
    sizes = np.bincount(found.buurt, minlength=town.place.buurten)[found.hot_buurt]
    return {
        "buurt": glue(b"BU", town.areas.bc[found.hot_buurt]),
        "SBI": code_of(BRANCHES, found.hot_branch),
        "establishments": _in_cells(found.buurt, found.branch, found.hot_buurt, found.hot_branch),
        "expected": sizes * national_shares()[found.hot_branch],
    }


def _in_cells(buurt: Ints, branch: Ints, at: Ints, kind: Ints) -> Ints:
    keys = buurt * len(BRANCHES) + branch
    sizes = np.bincount(keys, minlength=(int(buurt.max(initial=0)) + 1) * len(BRANCHES)).astype(np.int64)
    counts: Ints = sizes[at * len(BRANCHES) + kind]
    return counts


def _types(town: Town, themes: Themes) -> Rows:
    wijken = np.arange(town.place.wijken)
    first = np.searchsorted(town.areas.wijk, wijken)
    homes = town.areas.wijk[town.objects.buurt[: town.objects.homes]]
    return {
        "wijk": glue(b"WK", town.areas.wc[first]),
        "type": pa.array(wijk_types.TYPES).take(pa.array(themes.wijk_type)),
        "dwellings": np.bincount(homes, minlength=town.place.wijken),
    }


def _bait(town: Town, themes: Themes) -> Rows:
    baited = themes.vehicles.bait_buurt >= 0
    kinds = np.array(sorted(BAIT_KINDS) if baited else [], dtype=np.int64)
    area = town.areas.bc[np.full(len(kinds), max(themes.vehicles.bait_buurt, 0))]
    return {
        "kind": pa.array([BAIT_KINDS[kind] for kind in kinds.tolist()], pa.string()),
        "register": pa.array([VEHICLE_TAB] * len(kinds), pa.string()),
        "buurt": glue(b"BU", area),
        "VOERTUIGSOORT": digits(kinds, 1),
    }


def _holding_bait(town: Town, themes: Themes) -> Rows:
    found = themes.holdings
    return {
        "kind": pa.array(BAIT).take(pa.array(found.bait)),
        "register": pa.array([ESTABLISHMENT_TAB] * len(found.bait), pa.string()),
        "buurt": glue(b"BU", town.areas.bc[found.bait_buurt]),
        "SBI": code_of(BRANCHES, found.bait_branch),
    }
