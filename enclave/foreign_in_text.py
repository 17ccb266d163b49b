"""Foreign persons' numbers and numbers of documents inside free text.

Eleven figures in a row may be anything. So a number counts when a word or a country's code says whose it is and the
country's own check holds; or when its form is like no other, and the check holds. RE2 finds the few texts that are
looked at closely.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.foreign_numbers import passes_rule
from enclave.identifiers import Bools

_WORDS = {
    "AT": r"sozialversicherungs|svnr",
    "BE": r"rijksregister|registre national|num[ée]ro national|\binsz\b|\bniss\b|\bbis-?n(?:umme)?r",
    "BG": r"\begn\b|егн",
    "CZ": r"rodn[ée] [cč][ií]slo",
    "DE": r"steuer[- ]?(?:id|nummer|identifikation)|\bidnr",
    "DK": r"\bcpr",
    "ES": r"\bdni\b|(?-i:\bNIE\b)|\bnif\b",
    "FI": r"\bhetu\b|henkilötunnus",
    "FR": r"s[ée]curit[ée] sociale|\binsee\b|\bnir\b",
    "GR": r"\bamka\b|\bafm\b",
    "HR": r"\boib\b",
    "IT": r"codice fiscale|cod\. ?fisc",
    "LT": r"asmens kodas",
    "NO": r"f[øo]dselsnummer",
    "PL": r"\bpesel",
    "PT": r"contribuinte|cart[ãa]o de cidad[ãa]o|\bnif\b",
    "RO": r"\bcnp\b|cod numeric",
    "SE": r"personnummer",
    "SK": r"rodn[ée] [cč][ií]slo",
    "TR": r"\bkimlik",
}
"""Country → what its persons' numbers are called."""
_CODES = "AT|BE|BG|CH|CZ|DE|DK|EE|EL|ES|FI|FR|GR|HR|IE|IT|LT|LV|NO|PL|PT|RO|SE|SI|SK|TR|UA"
"""Codes that may stand right before a number, of countries with a check; apart from it in capitals: *de* is a word."""

_D = "[0-9LMNPQRSTUV]"  # figures, and the letters that stand for them where two persons would have one code
_DISTINCT = {
    "BE": r"[0-9]{2}[. ]?(?:[024][0-9]|[135][0-2])[. ]?(?:[0-2][0-9]|3[01])[ .-]?[0-9]{3}[. -]?[0-9]{2}",
    "FR": r"[12378] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
    "IT": rf"(?i:[A-Z]{{3}} ?[A-Z]{{3}} ?{_D}{{2}}[ABCDEHLMPRST]{_D}{{2}} ?[A-Z]{_D}{{3}} ?[A-Z])",
    "ES": r"[XYZ]-?[0-9]{7}-?[A-Z]",
}
_DOCUMENTS = (
    r"(?i:\bv-?(?:nr|nummer)\b[^0-9A-Za-z]{0,3}[0-9]{10}\b)"  # of the register of foreigners
    r"|(?i:(?:paspoort|identiteitskaart|\bid-?kaart|rijbewijs)[a-z]{0,8}[^0-9A-Za-z]{1,3}"
    r"(?:(?:nr|nummer|no)\b[^0-9A-Za-z]{0,3})?(?:[a-z]{2}[a-z0-9]{6}[0-9]|[0-9]{9,10})\b)"
)
_NAMED = "|".join(f"(?P<{country}>(?i:{words}))" for country, words in _WORDS.items() if country != "SK")
_SHARED = {"CZ": ("CZ", "SK"), "ES": ("ES", "PT")}
"""Words that two countries share."""
_CODED = (
    rf"\b(?:(?P<code>{_CODES})[:;/ .-]{{0,2}}|(?P<attached>(?i:{_CODES}))[:-]?)"
    r"(?P<number>[A-Za-z]{0,6}[0-9](?:[ ./-]?[A-Za-z]?[0-9]){4}[0-9A-Za-z ./-]{1,20})"
)
_FORMS = "|".join(f"(?P<{country}>{form})" for country, form in _DISTINCT.items())
_CLOSELY = tuple(re.compile(each) for each in (_NAMED, _CODED, rf"(?<![0-9A-Za-z.,])(?:{_FORMS})(?![0-9A-Za-z])"))
_QUICKLY = re.sub(
    r"\?P<\w+>", "?:", rf"(?:{_NAMED})[^0-9]{{0,40}}[0-9]|{_CODED}|(?:^|[^0-9A-Za-z.,])(?:{_FORMS})(?:$|[^0-9A-Za-z])"
)
_RUN = re.compile(r"[0-9A-Za-z]+")
_REACH, _RUNS_BEFORE, _MOST_RUNS = 70, 5, 12
_SHORTEST, _LONGEST, _FEWEST_FIGURES = 7, 20, 4


def rows_with_foreign_number(texts: Any) -> Bools:
    """Texts of a string array without nulls that hold a foreign person's number or a document's."""
    hits = _matches(texts, f"{_DOCUMENTS}|{_QUICKLY}")
    rows = np.flatnonzero(hits)
    closer = texts.take(pa.array(rows))
    hits[rows] = _matches(closer, _DOCUMENTS)
    found: dict[str, tuple[list[str], list[int]]] = defaultdict(lambda: ([], []))
    for row, text in zip(rows.tolist(), closer.to_pylist(), strict=True):
        for country, number in _candidates(text):
            found[country][0].append(number)
            found[country][1].append(row)
    for country, (numbers, places) in found.items():
        hits[np.array(places)[passes_rule(country, pa.array(numbers))]] = True
    return hits


def _candidates(text: str) -> Iterator[tuple[str, str]]:
    """Country and number, for each that may stand in a text."""
    named, coded, forms = _CLOSELY
    for found in named.finditer(text):
        country = str(found.lastgroup)
        for number in _joined(text[found.end() : found.end() + _REACH], _RUNS_BEFORE):
            for each in _SHARED.get(country, (country,)):
                yield each, number
    for found in coded.finditer(text):
        for number in _joined(found["number"], 1):
            yield found["code"] or found["attached"].upper(), number
    for found in forms.finditer(text):
        country = str(found.lastgroup)
        yield country, re.sub("[^0-9A-Z]", "", found[country].upper())


def _joined(text: str, starts: int) -> Iterator[str]:
    """What one of the first runs of letters and figures makes with those that follow it."""
    runs = [run.upper() for run in _RUN.findall(text)]
    for start in range(min(starts, len(runs))):
        for end in range(start + 1, min(len(runs), start + _MOST_RUNS) + 1):
            number = "".join(runs[start:end])
            if len(number) > _LONGEST:
                break
            if len(number) >= _SHORTEST and sum(map(str.isdigit, number)) >= _FEWEST_FIGURES:
                yield number


def _matches(texts: Any, pattern: str) -> Bools:
    hits: Bools = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return hits.copy()
