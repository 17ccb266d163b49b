"""Names, columns, widths and value labels of the registers by theme: income, education, firms, justice, vehicles.

CBS names where domain.md, section 3, gives one; the layouts of the others are our own.
"""

from __future__ import annotations

from collections.abc import Mapping

from synthetic.careers import CRIMES, PLACES
from synthetic.education import LEVELS
from synthetic.foundations import ROLES
from synthetic.justice import SENTENCES
from synthetic.mortgages import MORTGAGE_KINDS
from synthetic.registers import CRIME_LABELS, OBJECT, OWNER_LABELS
from synthetic.sav_stream import Column
from synthetic.vehicles import FUELS, VEHICLE_KINDS

MORTGAGE_TAB = "BouwenWonen/HYPOTHEEKTAB/HYPOTHEEK2016TABV1"
POSITION_BUS = "Arbeid/SECMBUS/SECM2015BUSV1"
PERSONAL_INCOME_TAB = "InkomenBestedingen/INPATAB/INPA2015TABV1"
ASSISTANCE_TAB = "SocialeZekerheid/BIJSTANDUITKERINGTAB/BIJSTANDUITKERING2015TABV1"
EDUCATION_TAB = "Onderwijs/HOOGSTEOPLTAB/HOOGSTEOPL2016TABV1"
VEHICLE_TAB = "VerkeerVervoer/VOERTUIGTAB/VOERTUIG2016TABV1"
FOUNDATION_TAB = "Bedrijven/STICHTINGTAB/STICHTING2016TABV1"
DIRECTOR_BUS = "Bedrijven/BESTUURDERBUS/BESTUURDER2016BUSV1"
ESTABLISHMENT_TAB = "Bedrijven/VESTTAB/VEST2016TABV1"
HOLDING_BUS = "Bedrijven/BEOGBUS/BEOG2016BUSV1"
FACT_BUS = "VeiligheidRecht/VERDFEITBUS/VERDFEIT2016BUSV1"
NON_RESIDENT_TAB = "Bevolking/NIETGBAPERSOONKTAB/NIETGBAPERSOONK2016TABV1"
CONVICTION_BUS = "VeiligheidRecht/VEROORDEELDBUS/VEROORDEELD2016BUSV1"
DETENTION_TAB = "VeiligheidRecht/GEDETINEERDENTAB/GEDETINEERDEN2015TABV1"
PROBATION_BUS = "VeiligheidRecht/JGDRECLASSBUS/JGDRECLASS2015BUSV1"
TRANSACTION_TAB = "Financieel/FIUTAB/FIU2015TABV1"

_EITHER = {"R": "in de BRP of het koppelbestand", "N": "niet in de BRP"}
_PERSON = (Column("RINPERSOONS", 1, _EITHER), Column("RINPERSOON", 9))
_POSITIONS = {
    "11": "werknemer",
    "12": "zelfstandige",
    "21": "werkloosheidsuitkering",
    "22": "bijstandsuitkering",
    "24": "arbeidsongeschiktheidsuitkering",
    "25": "pensioen",
    "26": "scholier of student met inkomen",
    "31": "scholier of student zonder inkomen",
    "32": "overig zonder inkomen",
}
_YES_NO = {"1": "ja", "0": "nee"}

THEME_REGISTERS: Mapping[str, tuple[Column, ...]] = {
    MORTGAGE_TAB: (
        *OBJECT,
        *_PERSON,
        Column("HYPBEDRAG", 0),
        Column("HYPDATUM", 8),
        Column("HYPSOORT", 1, MORTGAGE_KINDS),
    ),
    POSITION_BUS: (*_PERSON, Column("AANVSECM", 8), Column("EINDSECM", 8), Column("SECM", 2, _POSITIONS)),
    PERSONAL_INCOME_TAB: (*_PERSON, Column("INPPERSBRUT", 0), Column("INPPERSPRIM", 0)),
    ASSISTANCE_TAB: (*_PERSON, Column("AANVBIJSTAND", 8), Column("EINDBIJSTAND", 8), Column("BEDRAGBIJSTAND", 0)),
    EDUCATION_TAB: (*_PERSON, Column("OPLNIVSOI2021AGG4HBmetNIRWO", 4, {**LEVELS, "----": "onbekend"})),
    VEHICLE_TAB: (
        Column("RINVOERTUIG", 9),
        *_PERSON,
        Column("VOERTUIGSOORT", 1, VEHICLE_KINDS),
        Column("BRANDSTOF", 1, FUELS),
        Column("CATALOGUSPRIJS", 0),
        Column("BOUWJAAR", 4),
    ),
    FOUNDATION_TAB: (
        Column("BEID", 9),
        Column("SBI", 5),
        Column("ANBI", 1, _YES_NO),
        Column("DATUMSTART", 8),
        Column("DATUMSTOP", 8),
    ),
    DIRECTOR_BUS: (
        *_PERSON,
        Column("BEID", 9),
        Column("FUNCTIE", 1, ROLES),
        Column("AANVANGFUNCTIE", 8),
        Column("EINDEFUNCTIE", 8),
    ),
    ESTABLISHMENT_TAB: (
        Column("VESTID", 9),
        Column("BEID", 9),
        Column("SBI", 5),
        Column("gem2016", 4),
        Column("wc2016", 6),
        Column("bc2016", 8),
        Column("WERKZAMEPERSONEN", 0),
    ),
    HOLDING_BUS: (Column("BEID", 9), Column("OGID", 9), Column("AANVBEOG", 8), Column("EINDBEOG", 8)),
    FACT_BUS: (
        *_PERSON,
        Column("FEITDATUM", 8),
        Column("FEITSCM", 1, CRIMES),
        Column("FEITDELICT", 3, CRIME_LABELS),
        Column("FEITGEMEENTE", 4),
        Column("FEITPLAATS", 1, PLACES),
    ),
    NON_RESIDENT_TAB: (*_PERSON, Column("GEBOORTEJAAR", 4), Column("GESLACHT", 1, {"1": "man", "2": "vrouw"})),
    CONVICTION_BUS: (
        *_PERSON,
        Column("FEITDATUM", 8),
        Column("UITSPRAAKDATUM", 8),
        Column("FEITSCM", 1, CRIMES),
        Column("STRAF", 1, SENTENCES),
    ),
    DETENTION_TAB: (*_PERSON, Column("DATUMIN", 8), Column("DATUMUIT", 8)),
    PROBATION_BUS: (*_PERSON, Column("AANVJGDRECLASS", 8), Column("EINDJGDRECLASS", 8)),
    TRANSACTION_TAB: (
        Column("FIUTRANSACTIE", 9),
        Column("FIUDOSSIER", 9),
        Column("SOORTRINPARTIJ", 1, OWNER_LABELS),
        Column("RINPARTIJ", 9),
        Column("FIUDATUM", 8),
        Column("FIUBEDRAG", 0),
    ),
}
