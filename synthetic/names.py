"""Invented Dutch names with diacritics and *tussenvoegsels*, and invented street names."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthetic.randomness import Floats, Ints

_FRONT = [
    "Hazel",
    "Grutten",
    "Wolter",
    "Bramel",
    "Zuur",
    "Kwikkel",
    "Ölmer",
    "Pannen",
    "Rietve",
    "Tjalke",
    "Vlinder",
    "Weven",
    "Zonne",
    "Duister",
    "Eikel",
    "Fluiter",
    "Gansel",
    "Heiper",
    "IJzer",
    "Jolde",
    "Klaver",
    "Lommer",
    "Mörke",
    "Nevel",
    "Oever",
    "Pruime",
    "Quist",
    "Rozen",
    "Schepe",
    "Tümmel",
    "Uyter",
    "Vinke",
    "Wikke",
    "Zegge",
    "Bläuwe",
    "Crëne",
    "Douwe",
    "Ekster",
    "Frêle",
    "Grienme",
    "Hölter",
    "Immer",
    "Juffer",
    "Knoppe",
    "Lënder",
    "Muizen",
    "Notel",
    "Orgel",
    "Pöttel",
    "Reuzen",
]
_BACK = [
    "kamp",
    "voort",
    "steijn",
    "ink",
    "man",
    "dijk",
    "huis",
    "berg",
    "stra",
    "sma",
    "boer",
    "hoff",
    "veen",
    "mans",
    "ga",
    "hout",
    "waard",
    "graaf",
    "laar",
    "beek",
    "sen",
    "rink",
    "wold",
    "meijer",
    "brück",
    "schout",
    "zoon",
    "tink",
    "haar",
    "fort",
    "camp",
    "hof",
    "duin",
    "gröver",
]
SURNAMES = tuple(front + back for front in _FRONT for back in _BACK)
PREFIXES = ("", "van", "de", "van der", "van den", "ten", "ter", "van 't", "in 't", "op de")
_PREFIX_WEIGHTS = (0.72, 0.10, 0.06, 0.05, 0.03, 0.01, 0.01, 0.008, 0.006, 0.006)
_MEN = [
    "Jan",
    "Pieter",
    "Kees",
    "Noël",
    "André",
    "Daan",
    "Sem",
    "Luuk",
    "Joris",
    "Björn",
    "Jürgen",
    "Wouter",
    "Sjoerd",
    "Bram",
    "Teun",
    "Thijs",
    "Hugo",
    "Maarten",
    "Gijs",
    "Floris",
    "Rik",
    "René",
    "José",
    "Hendrik",
    "Willem",
    "Gerrit",
    "Arie",
    "Cornelis",
    "Simon",
    "Dirk",
    "Mees",
    "Finn",
    "Levi",
    "Milan",
    "Jesse",
    "Youssef",
    "Emre",
    "Andrés",
    "Loïc",
    "Tómas",
]
_WOMEN = [
    "Anna",
    "Maria",
    "Zoë",
    "Chloë",
    "Renée",
    "Loïs",
    "Sanne",
    "Fleur",
    "Noor",
    "Eva",
    "Tess",
    "Lotte",
    "Femke",
    "Anouk",
    "Maud",
    "Sofie",
    "Daniëlle",
    "Michèle",
    "Joëlle",
    "Wilhelmina",
    "Johanna",
    "Cornelia",
    "Geertje",
    "Aaltje",
    "Trijntje",
    "Hiske",
    "Doutzen",
    "Isa",
    "Saar",
    "Evi",
    "Yara",
    "Fatma",
    "Aïsha",
    "Inés",
    "Noémi",
    "Hélène",
    "Marloes",
    "Willeke",
    "Elif",
    "Bente",
]
FIRST_NAMES = tuple(_MEN) + tuple(_WOMEN)
_STREET_FRONT = [
    "Uilenveer",
    "Zilverdistel",
    "Kraanvogel",
    "Wolfsklauw",
    "Korenmaat",
    "Moerasvaren",
    "Windhalm",
    "Sterrenkroos",
    "Paddenrus",
    "Gagel",
    "Bosbies",
    "Kwelder",
    "Zeekraal",
    "Vuurdoorn",
    "Ezelsoor",
    "Duifkruid",
    "Veenmol",
    "Steenanjer",
    "Kattenstaart",
    "Beemdgras",
    "Zwenkgras",
    "Ooievaarsbek",
    "Ganzerik",
    "Hertshooi",
    "Kardinaalsmuts",
    "Lisdodde",
    "Muurpeper",
    "Nachtkoekoek",
    "Parnassia",
    "Ratelaar",
    "Slangenwortel",
    "Torkruid",
    "Vetblad",
    "Wederik",
]
_STREET_BACK = [
    "straat",
    "laan",
    "weg",
    "plein",
    "hof",
    "pad",
    "kade",
    "singel",
    "steeg",
    "dreef",
    "plantsoen",
    "gracht",
]
STREETS = tuple(front + back for back in _STREET_BACK for front in _STREET_FRONT)
TRADES = (
    "Bouw", "Horeca", "Zorg", "Transport", "Schilders", "Installatie", "Detailhandel", "Advies", "Administratie",
    "Schoonmaak", "Techniek", "Catering", "Tuinen", "Automatisering", "Mode", "Fietsen", "Verhuur", "Onderwijs",
    "Sport", "Cultuur", "Wonen", "Autoservice", "Vishandel", "Bakkerij",
)  # fmt: skip


def surname_numbers(u: Floats) -> Ints:
    """Positions in ``SURNAMES``; the commonest names hold most persons, as in life."""
    return (len(SURNAMES) * u**2.2).astype(np.int64)


def prefix_numbers(surnames: Ints) -> Ints:
    """The *tussenvoegsel* belongs to the surname: the same surname always has the same."""
    spread = (surnames * 7919 % len(SURNAMES) + 0.5) / len(SURNAMES)
    return np.searchsorted(np.cumsum(_PREFIX_WEIGHTS), spread).clip(0, len(PREFIXES) - 1).astype(np.int64)


def first_name_numbers(u: Floats, women: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Ints:
    """Positions in ``FIRST_NAMES`` by sex."""
    within = np.where(women, len(_WOMEN) * u**1.4, len(_MEN) * u**1.4).astype(np.int64)
    return np.where(women, len(_MEN) + within, within)


def texts(listed: tuple[str, ...], numbers: Ints) -> pa.Array:
    """The texts at the given positions, as an Arrow text column."""
    return pa.array(listed, pa.string()).take(pa.array(numbers))


def joined(*columns: pa.Array) -> pa.Array:
    """Columns put together with single blanks, empty parts left out."""
    return pc.utf8_trim_whitespace(
        pc.replace_substring_regex(pc.binary_join_element_wise(*columns, " "), pattern=" +", replacement=" ")
    )
