"""Names, columns, widths and value labels of the registers, and a writer that gives `.sav` and Parquet side by side."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from synthetic.dwellings import WOZ_YEARS
from synthetic.entities import FORM_LABELS
from synthetic.finances import INCOME_YEARS
from synthetic.offences import OFFENCE_YEARS
from synthetic.origins import ORIGIN_LABELS
from synthetic.sav_stream import Column, SavStream

Block = Mapping[str, npt.NDArray[np.generic]]

RIN_LABELS = {"R": "in de BRP of het koppelbestand"}
PERSON = (Column("RINPERSOONS", 1, RIN_LABELS), Column("RINPERSOON", 9))
OBJECT = (Column("SOORTOBJECTNUMMER", 1, {"B": "BAG-object"}), Column("RINOBJECTNUMMER", 32))
_HEAD = (Column("RINPERSOONSHKW", 1, RIN_LABELS), Column("RINPERSOONHKW", 9))
OWNER_LABELS = {"R": "persoon", "E": "bedrijfseenheid"}
_TYPHH = {
    "1": "eenpersoonshuishouden",
    "2": "niet-gehuwd paar zonder kinderen",
    "3": "gehuwd paar zonder kinderen",
    "4": "niet-gehuwd paar met kinderen",
    "5": "gehuwd paar met kinderen",
    "6": "eenouderhuishouden",
    "7": "overig huishouden",
    "8": "institutioneel huishouden",
}
_PLHH = {
    "1": "thuiswonend kind",
    "2": "alleenstaande",
    "3": "partner in niet-gehuwd paar zonder kinderen",
    "4": "partner in gehuwd paar zonder kinderen",
    "5": "partner in niet-gehuwd paar met kinderen",
    "6": "partner in gehuwd paar met kinderen",
    "7": "ouder in eenouderhuishouden",
    "8": "referentiepersoon in overig huishouden",
    "9": "overig lid",
    "10": "lid van institutioneel huishouden",
}
_USE = {
    "10": "woning",
    "11": "woning met praktijkruimte",
    "12": "recreatiewoning en overige woning",
    "30": "niet-woning",
}
CRIME_LABELS = {
    "F40": "bezit harddrugs",
    "F41": "bezit softdrugs",
    "F42": "handel harddrugs",
    "F43": "handel softdrugs",
    "F44": "vervaardigen harddrugs",
    "F45": "vervaardigen softdrugs",
    "F46": "overig drugs",
}
_TYPES = {"1": "vrijstaand", "2": "twee-onder-een-kap", "3": "hoekwoning", "4": "tussenwoning", "5": "appartement"}

PERSON_TAB = "Bevolking/GBAPERSOONTAB/GBAPERSOON2016TABV1"
ADDRESS_BUS = "Bevolking/GBAADRESOBJECTBUS/GBAADRESOBJECT2016BUSV1"
HOUSEHOLD_BUS = "Bevolking/GBAHUISHOUDENSBUS/GBAHUISHOUDENS2016BUSV1"
KIN_TAB = "Bevolking/KINDOUDERTAB/KINDOUDER2016TABV1"
AREA_TAB = "BouwenWonen/VSLGWBTAB/VSLGWB2016TAB03V1"
LIFE_BUS = "BouwenWonen/LEVCYCLWOONNIETWOONBUS/LEVCYCLWOONNIETWOON2016BUSV1"
WEALTH_TAB = "InkomenBestedingen/VEHTAB/VEH2016TABV1"
FIRM_TAB = "Bedrijven/BETAB/BE2016TABV1"


def owner_tab(year: int) -> str:
    """Register of owners and values on 1 January of a year."""
    return f"BouwenWonen/EIGENDOMWOZBAGTAB/EIGENDOMWOZBAG{year}TABV1"


def head_tab(year: int) -> str:
    """Register that gives each person's main earner."""
    return f"InkomenBestedingen/KOPPELPERSOONHUISHOUDEN/KOPPELPERSOONHUISHOUDEN{year}V1"


def income_tab(year: int) -> str:
    """Register of household incomes."""
    return f"InkomenBestedingen/INHATAB/INHA{year}TABV1"


def suspect_tab(year: int) -> str:
    """Register of suspects."""
    return f"VeiligheidRecht/VERDTAB/VERD{year}TABV1"


_OWNER_COLUMNS = (
    *OBJECT,
    Column("TypeEigendom", 1, {"E": "eigendom", "H": "huur"}),
    Column(
        "TypeEigenaar",
        1,
        {"1": "eigenaar-bewoner", "2": "woningcorporatie", "3": "overige verhuurder", "9": "onbekend"},
    ),
    Column("SOORTRINEIGENAAR", 1, OWNER_LABELS),
    Column("RINEIGENAAR", 9),
    Column("SOORTRINEIGENAAR2", 1, OWNER_LABELS),
    Column("RINEIGENAAR2", 9),
    Column("WOZWAARDE", 0),
    Column("GEBRUIKSCODEWOZ", 2, _USE),
)
_INCOME_COLUMNS = (
    *_HEAD,
    Column("INHBESTINKH", 0),
    Column("INHARMLAGL", 1, {"1": "laag inkomen", "0": "geen laag inkomen", "9": "onbekend"}),
)
_SUSPECT_COLUMNS = (*PERSON, Column("VERDDATUM", 8), Column("VERDDELICT", 3, CRIME_LABELS), Column("VERDGEMEENTE", 4))

REGISTERS: Mapping[str, tuple[Column, ...]] = {
    PERSON_TAB: (
        *PERSON,
        Column("GBAGEBOORTEJAAR", 4),
        Column("GBAGEBOORTEMAAND", 2),
        Column("GBAGEBOORTEDAG", 2),
        Column("GBAGESLACHT", 1, {"1": "man", "2": "vrouw"}),
        Column("GBAHERKOMSTGROEPERING", 4, ORIGIN_LABELS),
    ),
    ADDRESS_BUS: (
        *PERSON,
        *OBJECT,
        Column("GBADATUMAANVANGADRESHOUDING", 8),
        Column("GBADATUMEINDEADRESHOUDING", 8),
        Column("GBAFUNCTIEADRES", 1, {"W": "woonadres"}),
    ),
    HOUSEHOLD_BUS: (
        *PERSON,
        Column("DATUMAANVANGHH", 8),
        Column("DATUMEINDEHH", 8),
        Column("TYPHH", 1, _TYPHH),
        Column("PLHH", 2, _PLHH),
        Column("REFPERSOONHH", 1, {"1": "referentiepersoon", "0": "geen referentiepersoon"}),
        Column("HUISHOUDNR", 12),
    ),
    KIN_TAB: (
        *PERSON,
        Column("RINPERSOONSMa", 1),
        Column("RINPERSOONMa", 9),
        Column("RINPERSOONSpa", 1),
        Column("RINPERSOONpa", 9),
        Column("XKOPPELNUMMER", 12),
    ),
    AREA_TAB: (*OBJECT, Column("gem2016", 4), Column("wc2016", 6), Column("bc2016", 8)),
    LIFE_BUS: (
        *OBJECT,
        Column("AANVLEVCYCLWOONNIETWOON", 8),
        Column("EINDLEVCYCLWOONNIETWOON", 8),
        Column("WONINGTYPE", 1, _TYPES),
        Column("VBOOPPERVLAKTE", 0),
    ),
    **{owner_tab(year): _OWNER_COLUMNS for year in WOZ_YEARS},
    **{head_tab(year): (*PERSON, *_HEAD) for year in INCOME_YEARS},
    **{income_tab(year): _INCOME_COLUMNS for year in INCOME_YEARS},
    WEALTH_TAB: (*_HEAD, Column("VEHW1000VERH", 0), Column("VEHWVEREXEWH", 0)),
    **{suspect_tab(year): _SUSPECT_COLUMNS for year in OFFENCE_YEARS},
    FIRM_TAB: (
        Column("BEID", 9),
        Column("SBI", 5),
        Column("RECHTSVORM", 2, FORM_LABELS),
        Column("GK", 2),
        Column("DATUMSTART", 8),
        Column("DATUMSTOP", 8),
    ),
}


class RegisterFiles:
    """The register files of ``layouts``, open at once; each municipality appends one row group to each."""

    def __init__(self, folder: Path, layouts: Mapping[str, tuple[Column, ...]]) -> None:
        self._stack = ExitStack()
        self._open: dict[str, tuple[SavStream, pq.ParquetWriter]] = {}
        self.rows: dict[str, int] = {}
        for name, columns in layouts.items():
            stem = folder / name
            stem.parent.mkdir(parents=True, exist_ok=True)
            sav = self._stack.enter_context(SavStream(stem.with_name(stem.name + ".sav"), columns))
            schema = pa.schema([(c.name, pa.string() if c.width else pa.int64()) for c in columns])
            parquet = pq.ParquetWriter(stem.with_name(stem.name + ".parquet"), schema, compression="zstd")
            self._stack.callback(parquet.close)
            self._open[name] = (sav, parquet)
            self.rows[name] = 0

    def __enter__(self) -> RegisterFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, value, trace)

    def append(self, name: str, block: Block) -> None:
        """Append one municipality's rows to a register's `.sav` and Parquet file."""
        sav, parquet = self._open[name]
        sav.append(block)
        parquet.write_table(arrow_table(block, parquet.schema))
        self.rows[name] += len(next(iter(block.values())))


def arrow_table(block: Mapping[str, npt.NDArray[np.generic] | pa.Array], schema: pa.Schema) -> pa.Table:
    """An Arrow table of numpy columns; bytes become text."""
    return pa.table([arrow_column(block[field.name], field.type) for field in schema], schema=schema)


def arrow_column(values: npt.NDArray[np.generic] | pa.Array, kind: pa.DataType) -> pa.Array:
    """One Arrow column of the given type."""
    if isinstance(values, pa.Array):
        return values.cast(kind)
    if values.dtype.kind == "S":
        return pa.array(values, pa.binary()).cast(kind)
    return pa.array(values, kind)
