"""Planted truths: V3 dwellings, D2 covariates, events and coefficients, and canaries for the search of leaks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthetic.calendar_days import OPEN, REFERENCE, digits, glue, yyyymmdd
from synthetic.deliveries import dossiers
from synthetic.dwellings import UNKNOWN
from synthetic.hemp import COVARIATES, pattern_counts, truth_document
from synthetic.key_register import ParquetFiles
from synthetic.ownership import UNREGISTERED, Planted
from synthetic.pass_through import FLAG_FROM, WOZ_CLASSES, changes_of_hands, in_population, woz_class
from synthetic.randomness import Ints
from synthetic.registers import arrow_table
from synthetic.town import Town

COLLECTOR_FROM = 3
_SCHEMAS = {
    "v3_dwellings": pa.schema(
        [
            ("bag_id", pa.string()),
            ("RINOBJECTNUMMER", pa.string()),
            ("buurt", pa.string()),
            ("type", pa.string()),
            ("woz_class", pa.string()),
            ("changes", pa.int64()),
            ("flagged", pa.bool_()),
            ("planted", pa.string()),
        ]
    ),
    "hemp_events": pa.schema(
        [
            ("dossier", pa.string()),
            ("bag_id", pa.string()),
            ("RINOBJECTNUMMER", pa.string()),
            ("year", pa.int64()),
            ("clearance_date", pa.string()),
        ]
    ),
    "hemp_dwelling_years": pa.schema(
        [
            ("RINOBJECTNUMMER", pa.string()),
            ("year", pa.int64()),
            ("buurt", pa.string()),
            *((name, pa.bool_()) for name in COVARIATES),
            ("event", pa.bool_()),
        ]
    ),
    "same_day_chains": pa.schema([("bag_id", pa.string()), ("deed_date", pa.string()), ("deeds", pa.int64())]),
    "collectors": pa.schema([("RINPERSOON", pa.string()), ("homes", pa.int64())]),
    "canaries": pa.schema([("kind", pa.string()), ("value", pa.string())]),
}


class TruthFiles:
    """Everything that tests may read and the pipeline must not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = ParquetFiles(folder, _SCHEMAS)
        self._patterns: Ints = np.zeros(1 << len(COVARIATES), dtype=np.int64)
        self._events = 0

    def __enter__(self) -> TruthFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()
        if kind is None:
            document = truth_document(self._patterns, self._events)
            (self._folder / "hemp.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    def append(self, town: Town, delivered: Iterable[tuple[str, pa.Array]]) -> None:
        """Append one municipality's truths; ``delivered``: kinds and values of identifiers that stand in its
        deliveries only."""
        self._write_v3(town)
        self._write_chains(town)
        self._write_collectors(town)
        self._write_hemp(town)
        self._write_canaries(town, delivered)
        self._patterns += pattern_counts(town.hemp)
        self._events += int(town.hemp.event.sum())

    def _write_v3(self, town: Town) -> None:
        rows = np.flatnonzero(in_population(town.objects))
        changes = changes_of_hands(town.ownership.deeds, town.objects.count)[rows]
        planted = pa.array([kind.name.lower() for kind in Planted]).take(pa.array(town.ownership.planted[rows]))
        classes = pa.array(WOZ_CLASSES).take(pa.array(woz_class(town.objects)[rows]))
        block = {
            "bag_id": town.bag[rows],
            "RINOBJECTNUMMER": town.rin_object[rows],
            "buurt": glue(b"BU", town.areas.bc[town.objects.buurt[rows]]),
            "type": digits(town.objects.kind[rows], 1),
            "woz_class": classes,
            "changes": changes,
            "flagged": changes >= FLAG_FROM,
            "planted": planted,
        }
        self._files.write("v3_dwellings", arrow_table(block, _SCHEMAS["v3_dwellings"]))

    def _write_chains(self, town: Town) -> None:
        """Days on which one object passed on more than once (V4)."""
        deeds = town.ownership.deeds
        last = np.flatnonzero(np.append(deeds.sequence[1:] == 1, True) & (deeds.sequence > 1))
        block = {
            "bag_id": town.bag[deeds.object[last]],
            "deed_date": yyyymmdd(deeds.day[last]),
            "deeds": deeds.sequence[last],
        }
        self._files.write("same_day_chains", arrow_table(block, _SCHEMAS["same_day_chains"]))

    def _write_collectors(self, town: Town) -> None:
        """Persons with a share in three homes or more on the reference date (V6), where the owner is known."""
        known = (town.objects.kind > 0) & (town.objects.end == OPEN) & (town.objects.tenure != UNKNOWN)
        owners = np.concatenate([owner[known] for owner in town.ownership.owners_at(REFERENCE)])
        homes = np.bincount(owners[(owners >= 0) & (owners < UNREGISTERED)], minlength=town.persons.count)
        many = np.flatnonzero(homes >= COLLECTOR_FROM)
        block = {"RINPERSOON": town.identities.rin[many], "homes": homes[many]}
        self._files.write("collectors", arrow_table(block, _SCHEMAS["collectors"]))

    def _write_hemp(self, town: Town) -> None:
        rows, dossier = dossiers(town)
        events = {
            "dossier": dossier,
            "bag_id": town.bag[town.hemp.object[rows]],
            "RINOBJECTNUMMER": town.rin_object[town.hemp.object[rows]],
            "year": town.hemp.year[rows],
            "clearance_date": yyyymmdd(town.hemp.event_day[rows]),
        }
        self._files.write("hemp_events", arrow_table(events, _SCHEMAS["hemp_events"]))
        years = {
            "RINOBJECTNUMMER": town.rin_object[town.hemp.object],
            "year": town.hemp.year,
            "buurt": glue(b"BU", town.areas.bc[town.objects.buurt[town.hemp.object]]),
            **{name: town.hemp.covariates[:, column] for column, name in enumerate(COVARIATES)},
            "event": town.hemp.event,
        }
        self._files.write("hemp_dwelling_years", arrow_table(years, _SCHEMAS["hemp_dwelling_years"]))

    def _write_canaries(self, town: Town, delivered: Iterable[tuple[str, pa.Array]]) -> None:
        who, firms, objects = town.identities, town.entities, town.objects
        number = glue(objects.house_number, objects.addition)
        street = pc.binary_join_element_wise(town.street, pa.array(number, pa.binary()).cast(pa.string()), " ")
        for kind, values in (
            ("bsn", who.bsn),
            ("bsn", who.stray_bsn),
            ("rsin", firms.rsin),
            ("kvk", firms.kvk),
            ("establishment", firms.establishment),
            ("establishment", firms.second.number),
            ("name", who.full_name),
            ("name", who.stray_name),
            ("name", firms.name),
            ("name", firms.trade_name.filter(pc.not_equal(firms.trade_name, ""))),
            ("name", firms.second.trade_name),
            ("bag", town.bag),
            ("address", street),
            ("address", glue(objects.postcode, b" ", number)),
            *delivered,
        ):
            block = {"kind": pa.array([kind]).take(pa.array(np.zeros(len(values), np.int64))), "value": values}
            self._files.write("canaries", arrow_table(block, _SCHEMAS["canaries"]))
