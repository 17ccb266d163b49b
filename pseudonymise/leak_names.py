"""Names inside free text: words of the delivery's own name columns, whole words, case and diacritics folded.

A word that is also an ordinary Dutch word (*bakker*, *groen*) counts only when it is written with a capital, stands in
the name of the very record, or stands next to another name; any other name counts however it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.identifiers import Bools
from enclave.text_runs import Ints, Runs, byte_class, plain_rows

SHORTEST_WORD = 3
"""Letters; shorter words (initials, *de*, *Li*) are not looked for."""

NOT_NAMES = (
    *("van", "von", "der", "den", "del", "ten", "ter", "het", "des", "dos", "las", "los", "bij", "uit", "aan", "voor"),
    *("bvba", "gmbh", "ltd", "inc", "vof", "stichting", "vereniging", "holding", "beheer", "groep", "group"),
    *("maatschap", "cooperatie", "onderneming", "bedrijf", "firma", "fonds", "vastgoed", "onroerend", "goed", "zonen"),
    *("beleggingen", "investments", "exploitatie", "maatschappij", "wonen", "woningen", "woningcorporatie", "gemeente"),
)
"""Particles and words of legal forms: in name columns, but nobody's name."""

ORDINARY_WORDS = (
    *(
        "bakker",
        "beek",
        "berg",
        "blauw",
        "bloem",
        "boer",
        "bos",
        "bouwman",
        "brand",
        "brouwer",
        "brug",
        "bruin",
        "buurman",
    ),
    *(
        "dekker",
        "dijk",
        "driessen",
        "duin",
        "engel",
        "gans",
        "graaf",
        "groen",
        "groot",
        "haan",
        "haas",
        "heide",
        "heer",
    ),
    *(
        "hof",
        "hond",
        "huis",
        "jager",
        "jan",
        "jong",
        "kamp",
        "kant",
        "keizer",
        "kelder",
        "klein",
        "koe",
        "kok",
        "koning",
    ),
    *("koopman", "koper", "korte", "kraan", "kuil", "kuiper", "lang", "leeuw", "linde", "maart", "man", "mark", "meer"),
    *(
        "mees",
        "mei",
        "meijer",
        "molen",
        "mulder",
        "noord",
        "noot",
        "oost",
        "oud",
        "oude",
        "paard",
        "peer",
        "plant",
        "pool",
    ),
    *(
        "post",
        "prins",
        "ridder",
        "rood",
        "roos",
        "schipper",
        "schilder",
        "schouten",
        "schuur",
        "slager",
        "smid",
        "snel",
    ),
    *("stad", "steen", "stern", "straat", "stroom", "tak", "timmerman", "tuin", "veen", "veld", "verhoeven", "vink"),
    *(
        "visser",
        "vlieger",
        "vliet",
        "vos",
        "vries",
        "waard",
        "wagenaar",
        "wal",
        "water",
        "weg",
        "west",
        "winter",
        "wit",
    ),
    *("witte", "wolf", "woud", "zand", "zee", "zomer", "zon", "zuid", "zwaan", "zwart"),
)
"""Surnames and first names that a remark may well hold in lower case without meaning anyone."""

_LETTER = byte_class(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_LETTERS = (
    ("ß", "ss"),
    ("ø", "o"),
    ("Ø", "O"),
    ("ł", "l"),
    ("Ł", "L"),
    ("đ", "d"),
    ("Đ", "D"),
    ("æ", "ae"),
    ("Æ", "AE"),
)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of an array of texts: which text each comes from, folded form, and whether it begins with a capital."""

    row: Ints
    folded: Any
    capital: Bools

    @classmethod
    def of(cls, texts: Any) -> Words:
        """Words of :data:`SHORTEST_WORD` letters and more, particles and legal forms left out; null has none."""
        texts = pc.fill_null(texts, "")
        plain = plain_rows(texts)
        if plain.all():
            return cls._plain(texts)
        places = [np.flatnonzero(rows) for rows in (plain, ~plain)]
        parts = [of(texts.take(pa.array(rows))) for of, rows in zip((cls._plain, cls._marked), places, strict=True)]
        row = np.concatenate([rows[part.row] for rows, part in zip(places, parts, strict=True)])
        order = np.argsort(row, kind="stable")
        folded = pa.concat_arrays([part.folded for part in parts]).take(pa.array(order))
        return cls(row[order], folded, np.concatenate([part.capital for part in parts])[order])

    @classmethod
    def _plain(cls, texts: Any) -> Words:
        """Of texts that hold ASCII only."""
        runs = Runs.of(texts, _LETTER)
        capital: Bools = runs.data[runs.begin] < ord("a")
        return cls._kept(runs.row, pc.ascii_lower(runs.texts()), capital)

    @classmethod
    def _marked(cls, texts: Any) -> Words:
        lists = pc.split_pattern_regex(_without_marks(texts), r"\PL+")
        flat = pc.list_flatten(lists)
        capital = pc.match_substring_regex(flat, r"^\p{Lu}").to_numpy(zero_copy_only=False)
        row = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64)
        return cls._kept(row, pc.utf8_lower(flat), capital)

    @classmethod
    def _kept(cls, row: Ints, folded: Any, capital: Bools) -> Words:
        keep = pc.and_(
            pc.greater_equal(pc.utf8_length(folded), SHORTEST_WORD),
            pc.invert(pc.is_in(folded, pa.array(NOT_NAMES))),
        )
        kept = keep.to_numpy(zero_copy_only=False)
        return cls(row[kept], folded.filter(keep), capital[kept])


class NameWords:
    """The distinct words of a delivery's name columns; add all columns before looking."""

    def __init__(self) -> None:
        self._found = pa.array([], pa.string())

    def __repr__(self) -> str:
        return "NameWords(…)"

    def add(self, names: Any) -> None:
        """Take in a name column (any chunk of it)."""
        distinct = pc.unique(names)
        self._found = pc.unique(pa.concat_arrays([self._found, pc.unique(Words.of(distinct).folded)]))

    def rows_with_names(self, texts: Any, own: Sequence[Any]) -> Bools:
        """Which texts hold a name; ``own`` are the same records' name columns, as long as ``texts``."""
        words = Words.of(texts)
        number = (
            pc.fill_null(pc.index_in(words.folded, self._found), -1).to_numpy(zero_copy_only=False).astype(np.int64)
        )
        known = number >= 0
        paired = np.zeros(len(known), dtype=np.bool_)
        adjacent = known[:-1] & known[1:] & (words.row[:-1] == words.row[1:])
        paired[:-1] |= adjacent
        paired[1:] |= adjacent
        unusual = pc.invert(pc.is_in(words.folded, pa.array(ORDINARY_WORDS))).to_numpy(zero_copy_only=False)
        counts = known & (unusual | words.capital | paired)
        doubtful = np.flatnonzero(known & ~counts)
        if doubtful.size:
            rows = np.unique(words.row[doubtful])
            own = [column.take(pa.array(rows)) for column in own]
            counts[doubtful] = self._stands_in_own(np.searchsorted(rows, words.row[doubtful]), number[doubtful], own)
        hits = np.zeros(len(texts), dtype=np.bool_)
        hits[words.row[counts]] = True
        return hits

    def _stands_in_own(self, row: Ints, number: Ints, own: Sequence[Any]) -> Bools:
        """Whether word ``number`` of text ``row`` is also a word of that record's names: one sorted search of pairs."""
        size = len(self._found) + 1
        pairs = [np.empty(0, dtype=np.int64)]
        for column in own:
            words = Words.of(column)
            found = pc.fill_null(pc.index_in(words.folded, self._found), size - 1)
            pairs.append(words.row * size + found.to_numpy(zero_copy_only=False))
        stands: Bools = np.isin(row * size + number, np.concatenate(pairs))
        return stands


def _without_marks(texts: Any) -> Any:
    """Decomposed, combining marks removed; letters that do not decompose replaced."""
    texts = pc.replace_substring_regex(pc.utf8_normalize(texts, form="NFKD"), r"\pM", "")
    for letter, plain in _LETTERS:
        texts = pc.replace_substring(texts, letter, plain)
    return texts
