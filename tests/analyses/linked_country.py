"""A synthetic country as linkage would hand it over: the same columns, identifiers and RINs replaced by integers.

Written for the tests of the analyses alone, so that these don't depend on pseudonymisation and linkage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from enclave.frames import FrameManifest, manifest_columns, writing_frame
from enclave.zones import Zone

YEARS = (2012, 2013, 2014, 2015, 2016)
KINDS = {
    "dwelling": "object",
    "person": "person",
    "occupant": "person",
    "buyer": "owner",
    "owner": "owner",
    "household": "household",
}


@dataclass
class LinkedCountry:
    """The linked files by data set, and what each dwelling's integer stands for."""

    files: dict[str, Path]
    dwellings: pd.Series


class _Integers:
    """A random integer below 2^62 per key: persons, entities, households and objects never share one."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._known: dict[str, pd.Series] = {}

    def of(self, kind: str, keys: pd.Series) -> pd.Series:
        """Integers of ``keys``; an empty key has none."""
        known = self._known.get(kind, pd.Series(dtype="int64"))
        new = pd.Index(keys[keys != ""].unique()).difference(known.index)
        drawn = pd.Series(self._random.integers(1, 1 << 62, len(new)), index=new, dtype="int64")
        self._known[kind] = known = drawn if known.empty else pd.concat([known, drawn])
        return keys.map(known).astype("Int64")

    def known(self, kind: str) -> pd.Series:
        """Key -> integer."""
        return self._known[kind]


def link_country(country: Path, out: Path, seed: int = 7) -> LinkedCountry:
    """Write the linked data sets of ``country`` to ``out``, rows in random order."""
    linker = _Linker(country, out, _Integers(seed), np.random.default_rng(seed + 1))
    linker.registers()
    linker.deliveries()
    return LinkedCountry(linker.files, linker.integers.known("object"))


class _Linker:
    def __init__(self, country: Path, out: Path, integers: _Integers, order: np.random.Generator) -> None:
        self._country = country
        self._out = out
        self._order = order
        self.integers = integers
        self.files: dict[str, Path] = {}

    def registers(self) -> None:
        dwellings = self._register("BouwenWonen", "LEVCYCLWOONNIETWOON2016BUSV1")
        kept = ("AANVLEVCYCLWOONNIETWOON", "EINDLEVCYCLWOONNIETWOON", "WONINGTYPE", "VBOOPPERVLAKTE")
        self._write("dwellings", {"dwelling": self._object(dwellings)}, dwellings, kept)
        areas = self._register("BouwenWonen", "VSLGWB2016TAB03V1")
        self._write("dwelling_areas", {"dwelling": self._object(areas)}, areas, ("gem2016", "wc2016", "bc2016"))
        for year in YEARS:
            self._property(year)
            self._income(year - 1)
        persons = self._register("Bevolking", "GBAPERSOON2016TABV1")
        kept = ("GBAGEBOORTEJAAR", "GBAGEBOORTEMAAND", "GBAGEBOORTEDAG", "GBAGESLACHT")
        self._write("persons", {"person": self._person(persons)}, persons, kept)
        spells = self._register("Bevolking", "GBAADRESOBJECT2016BUSV1")
        kept = ("GBADATUMAANVANGADRESHOUDING", "GBADATUMEINDEADRESHOUDING")
        self._write("addresses", {"person": self._person(spells), "dwelling": self._object(spells)}, spells, kept)

    def _property(self, year: int) -> None:
        owned = self._register("BouwenWonen", f"EIGENDOMWOZBAG{year}TABV1")
        persons = self.integers.of("person", owned.RINEIGENAAR.where(owned.SOORTRINEIGENAAR == "R", ""))
        entities = self.integers.of("entity", owned.RINEIGENAAR.where(owned.SOORTRINEIGENAAR == "E", ""))
        keys = {"dwelling": self._object(owned), "owner": persons.fillna(entities)}
        kept = ("TypeEigendom", "TypeEigenaar", "WOZWAARDE", "GEBRUIKSCODEWOZ")
        self._write(f"property_{year}", keys, owned, kept)

    def _income(self, year: int) -> None:
        members = self._register("InkomenBestedingen", f"KOPPELPERSOONHUISHOUDEN{year}V1")
        household = self.integers.of("household", members.RINPERSOONHKW)
        self._write(f"household_link_{year}", {"person": self._person(members), "household": household}, members, ())
        income = self._register("InkomenBestedingen", f"INHA{year}TABV1")
        household = self.integers.of("household", income.RINPERSOONHKW)
        self._write(f"income_{year}", {"household": household}, income, ("INHARMLAGL",))

    def deliveries(self) -> None:
        cleared = self._csv("hemp_clearances")
        # homes without a BAG number: the truth, as matching by address would find it
        events = pq.read_table(self._country / "truth/hemp_events.parquet").to_pandas().set_index("dossier")
        home = cleared.dossier.map(events.RINOBJECTNUMMER)
        keys = {"dwelling": self.integers.of("object", home), "occupant": self._bsn(cleared.occupant_bsn)}
        cleared["clearance_date"] = _dutch_dates(cleared.clearance_date)
        self._write("clearances", keys, cleared, ("clearance_date",))
        debts = pd.concat([_sheet(path) for path in sorted(self._country.glob("deliveries/*/debt_assistance*.xlsx"))])
        debts = debts.reset_index(drop=True)
        self._write("debts", {"person": self._bsn(debts.bsn)}, debts, ("start_date", "end_date"))
        deeds = self._csv("land_registry")
        entities = pq.read_table(self._country / "key_register/entities.parquet").to_pandas()
        firm = deeds.buyer_rsin.map(entities.drop_duplicates("rsin").set_index("rsin").BEID)
        firm = firm.fillna(deeds.buyer_kvk.map(entities.drop_duplicates("kvk").set_index("kvk").BEID)).fillna("")
        buyer = self._bsn(deeds.buyer_bsn).fillna(self.integers.of("entity", firm))
        deeds["deed_date"] = _dutch_dates(deeds.deed_date)
        deeds["deed_sequence"] = deeds.deed_sequence.astype("int64")
        keys = {"dwelling": self._bag(deeds.bag_id), "buyer": buyer}
        self._write("transfers", keys, deeds, ("deed_date", "deed_sequence", "deed_type"))

    def _register(self, theme: str, file: str) -> pd.DataFrame:
        (path,) = self._country.glob(f"registers/{theme}/*/{file}.parquet")
        return pq.read_table(path).to_pandas()

    def _csv(self, schema: str) -> pd.DataFrame:
        files = sorted(self._country.glob(f"deliveries/*/{schema}_*.csv"))
        read = [pd.read_csv(path, sep=";", encoding="cp1252", dtype=str, keep_default_na=False) for path in files]
        return pd.concat(read).reset_index(drop=True)

    def _object(self, frame: pd.DataFrame) -> pd.Series:
        return self.integers.of("object", frame.RINOBJECTNUMMER)

    def _person(self, frame: pd.DataFrame) -> pd.Series:
        return self.integers.of("person", frame.RINPERSOON)

    def _bag(self, numbers: pd.Series) -> pd.Series:
        known = pq.read_table(self._country / "key_register/addresses.parquet").to_pandas()
        return self.integers.of("object", numbers.map(known.set_index("bag_id").RINOBJECTNUMMER).fillna(""))

    def _bsn(self, numbers: pd.Series) -> pd.Series:
        known = pq.read_table(self._country / "key_register/persons.parquet").to_pandas()
        return self.integers.of("person", numbers.map(known.set_index("bsn").RINPERSOON).fillna(""))

    def _write(self, name: str, keys: Mapping[str, pd.Series], frame: pd.DataFrame, kept: tuple[str, ...]) -> None:
        columns = {key: pa.array(values, pa.int64(), from_pandas=True) for key, values in keys.items()}
        for key, values in keys.items():
            columns[f"{key}_status"] = pa.array(np.where(values.isna(), "missing", "matched"), pa.string())
        table = pa.table(columns | {column: pa.array(frame[column], from_pandas=True) for column in kept})
        table = table.take(self._order.permutation(table.num_rows))
        roles = {key: f"key:{KINDS[key]}" for key in keys} | {f"{key}_status": f"status:{KINDS[key]}" for key in keys}
        described = manifest_columns(table.schema, roles)
        manifest = FrameManifest(zone=Zone.LINKED, name=name, project="test", columns=described, made_by="a test")
        self.files[name] = self._out / f"{name}.parquet"
        with writing_frame(self.files[name], manifest, table.schema) as sink:
            sink.write(table)


def _dutch_dates(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, format="%d-%m-%Y").dt.date


def _sheet(path: Path) -> pd.DataFrame:
    rows = list(openpyxl.load_workbook(path, read_only=True).active.iter_rows(values_only=True))
    frame = pd.DataFrame(rows[1:], columns=rows[0], dtype=object)
    for column in ("start_date", "end_date"):
        frame[column] = [value.date() if hasattr(value, "date") else value or None for value in frame[column]]
    return frame
