"""A street with a house number inside text: by the ending of its name, or as one of the words that are streets.

Neither has a check. In what leaves the enclave only the endings count that no place has (*Kerkstraat 12*); in remarks
of a delivery many more do (*Amsteldijk 12*, *Brink 5*), unless the figures count something, or are a date or a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.identifiers import Bools

_ENDINGS = r"(?:straat(?:je)?|str\.|laan(?:tje)?|weg|plein|gracht|kade|singel|steeg|plantsoen|dreef|boulevard)"
"""Not *dijk*, *hof*, *park* and the like: names of places end so, and stand before figures in every table."""
_NUMBER = r"(?: |  |, ?(?:huis)?(?:nr|nummer)\.? ?| (?:huis)?(?:nr|nummer)\.? ?)[0-9]{1,5}"
_STREET = (
    rf"(?:^|[^\pL])\p{{Lu}}[\pL'’.-]{{2,}}{_ENDINGS}{_NUMBER}"  # Kerkstraat 12; capitals tell a name from a word
    rf"|(?:^|[^\pL])\p{{Lu}}[\pL'’.-]+ {_ENDINGS}{_NUMBER}"  # Oude weg 12
    rf"|(?:^|[^\pL])(?i:straat|laan|weg|plein|gracht)(?: van| der| den| de| het| ten| ter| 't){{1,2}}"
    rf"(?: \p{{Lu}}[\pL'’.-]+){{1,3}}{_NUMBER}"  # Laan van Meerdervoort 12
    rf"|(?:^|[^\pL])[a-z]{{3,}}(?:straat|laan|plein|gracht|singel|plantsoen|steeg){_NUMBER}"  # kerkstraat 12
)
_NO_STREETS = r"(?i)\b(?:snel|spoor|om|uit|onder|rijks|zij|hoofd|winkel|oprij)(?:weg|straat|laan)\b"
"""Words, not names, though they end like streets."""

_MORE_ENDINGS = (
    r"(?:dijk|hof(?:je)?|pad|park|hoek|plaats|wal|baan|markt|erf|akker|haven|brink|werf|vaart|gaarde?|weide|meent|"
    r"voorhout|allee|weggetje|pleintje|steegje|kwartier)"
)
_LOUD = r"(?:STRAAT|LAAN|WEG|PLEIN|GRACHT|KADE|SINGEL|STEEG|DREEF|DIJK|HOF|PAD|PARK|HOEK|PLAATS|WAL|BAAN|MARKT|BRINK)"
_WORDS = (
    "Brink|Markt|Dam|Plein|Hof|Wal|Kade|Singel|Gracht|Dijk|Haven|Vest|Rokin|Damrak|Spui|Neude|Vrijthof|Blaak|Heuvel|"
    "Voorhout|Plantage|Burgwal|Boulevard|Esplanade|Amstel|Achterom|Hoogeind|Laan"
)
_KINDS_OF = "(?:Oude|Nieuwe|Grote|Kleine|Lange|Korte|Hoge|Lage|Oudezijds|Nieuwezijds)"
_LAST = r"(?:[a-zA-Z]\b| ?-? ?(?:bis|hs|hoog|huis)\b)?(?: ?[.,;:)]|$| en | te | in )"
_ANY_STREET = (
    rf"(?:^|[^\pL])(?:\p{{Lu}}[\pL'’.-]{{2,}}{_MORE_ENDINGS}|{_WORDS}){_NUMBER}"
    rf"|(?:^|[^\pL])\p{{Lu}}{{2,}}{_LOUD}{_NUMBER}"
    rf"|(?:^|[^\pL]){_KINDS_OF} (?:{_WORDS.lower()}|pad|park|werf){_NUMBER}"
    r"|(?i:\b(?:aan|op|nabij) (?:de|het) (?:brink|dam|markt|dijk|kade|haven|wal|hof|plein|gracht|singel))"
    rf"{_NUMBER}{_LAST}"
    rf"|(?:^|[^\pL])[a-z]{{4,}}(?:dijk|hof|park|brink|burgwal|pad){_NUMBER}{_LAST}"
)
_COMMON = (
    (
        "plaats",
        "parkeer|stand|werk|lig|staan|woon|slaap|zit|begraaf|kweek|vind|stort|los|laad|speel|op|opslag|haven|bus",
    ),
    ("plaats", "geboorte|hoofd|verzamel|stal|kook|berg|vergader|aanleg|vuilnis|bewaar|zaai|hang|rust|camping|aan|bad"),
    ("baan", "auto|rij|ren|start|landings|loop|tennis|kegel|bij|ijs|trap|fiets|schiet|spoor|ruiter|bowling|midgetgolf"),
    ("markt", "super|bouw|rommel|arbeids|woning|huizen|vlooien|week|kerst|drank|afzet|kapitaal"),
    ("pad", "wandel|fiets|voet|tegel|gang|grind|toegangs|kruip|tuin|brand|loop|jaag|keuze"),
    ("hof", "gerechts|kerk|ge|voor|justitie"),
    (
        "park",
        "bungalow|vakantie|recreatie|bedrijven|business|wagen|pret|dieren|herten|zonne|wind|machine|caravan|chalet",
    ),
    ("park", "camping|sport|attractie|volkstuin|woonwagen|industrie|kantoren|trailer|science|stads|tuin"),
    (
        "hoek",
        "uit|kijk|invals|linker|rechter|kweek|zit|slaap|keuken|kook|bar|straat|eet|binnen|speel|achter|gezichts|droog",
    ),
    (
        "hoek",
        "drie|recht|vier|linkerboven|rechterboven|linkeronder|rechteronder|kelder|schuur|zolder|kas|kamer|tuin|voor",
    ),
    ("wal", "aarde|geluids|grond|berm|zand"),
    ("haven", "lucht|vlieg|jacht|zee|thuis"),
    ("erf", "boeren|woon|voor|achter|fabrieks"),
    ("werf", "scheeps|jacht|gemeente|milieu"),
    ("vaart", "scheep|lucht|ruimte|door|zee|wel|uit"),
    ("gaard", "boom|wijn"),
    ("weide", "paarden|speel|lig|schapen|koeien|zonne"),
    ("akker", "aardappel|mais|stoppel|graan"),
    ("kwartier", "hoofd|slaap"),
    ("dijk", "moer|koren|koe|winter|rivier"),
)
"""Ending → beginnings that make a word, or a place, and no street."""
_NO_SUCH = r"(?i)\b(?:" + "|".join(rf"(?:{begins}){ending}" for ending, begins in _COMMON) + r")\b"
_PERSON = (
    r"(?i)\b(?:van|v\.? ?d\.?|der|den|ten|ter|dhr|mevr|mw|mevrouw|meneer|de heer|heer|familie|fam|agent|inspecteur)\.? "
    rf"(?:de |der |den |het )?(?:[A-Z]\.? ?){{0,3}}(?:{_WORDS})\b"
)
"""*Mevrouw Brink 5 keer gebeld*: a surname, which is looked for as one."""
_COUNTED = (
    r"(?i)\b[0-9]{1,2}[:.][0-9]{2}\b|\b[0-9]{1,3}(?:\.[0-9]{3})+\b|\b[0-9]+,[0-9]+|\b(?:19|20)[0-9]{2}\b"
    r"|\b[0-9]+ ?(?:x\b|keer|maal\b|stuks?\b|plant|stek|kg\b|kilo|gram|liter|ml\b|m2|m3|m²|m³|meter|[kcm]m\b|k?wh?\b"
    r"|watt|volt|amp|lamp|tent|u\b|uur|min|dag|week|weken|weke|maand|jaar|euro|eur\b|€|%|procent|perso|man\b|mensen|bewoner"
    r"|kamer|ruimte|pand|woning|huizen|auto|voertuig|fiets|boten|boot\b|schepen|zak|pot|filter|kra[am]|verdieping|etage"
    r"|graden|°|melding|bezoek|controle|brief|brieven|foto|bijlage|deur|raam|ramen|kast|vat|vaten|jerrycan|fles|doos"
    r"|dozen|stoel|tafel|boom|bomen|mei\b|januari|februari|maart|april|juni|juli|augustus|september|oktober|november"
    r"|december|(?:jan|feb|mrt|apr|jun|jul|aug|sep|sept|okt|nov|dec)\b|(?:e|de|ste) [a-z])"
)
"""Figures that are no house number: times, amounts, years, and what is counted."""


def rows_with_street(texts: Any) -> Bools:
    """Texts of a string array without nulls that hold a street's name with a house number, by its surest endings."""
    hits = _matches(texts, _STREET)
    rows = np.flatnonzero(hits)
    if rows.size:
        hits[rows] = _matches(pc.replace_substring_regex(texts.take(pa.array(rows)), _NO_STREETS, "#"), _STREET)
    return hits


def rows_with_any_street(texts: Any) -> Bools:
    """As `rows_with_street`, by all endings and words; of remarks, not of tables, where places stand before figures."""
    hits = rows_with_street(texts)
    rows = np.flatnonzero(_matches(texts, _ANY_STREET) & ~hits)
    if rows.size:
        left = texts.take(pa.array(rows))
        for pattern in (_COUNTED, _NO_STREETS, _NO_SUCH, _PERSON):
            left = pc.replace_substring_regex(left, pattern, "#")
        hits[rows] = _matches(left, _ANY_STREET)
    return hits


def _matches(texts: Any, pattern: str) -> Bools:
    hits: Bools = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return hits.copy()
