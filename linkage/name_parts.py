"""Dutch names as suppliers write them → the parts that can be compared, as whole Arrow columns.

What is taken care of: *tussenvoegsels* before the name, behind it or in a column of their own, abbreviated too; titles;
diacritics and *ij/y*; initials instead of first names, also behind the surname; ``De Vries-Jansen``, ``Jansen e/v De
Vries`` and ``De Vries geb. Jansen``, of which both names count, since registers differ in whose name stands first
(Basisregistratie Personen, element 61.10 *naamgebruik*). What is not: a whole name of surname and first name without a
comma (``BAKKER Pieter``), initials without dots or blanks (``Bakker PJ``), surnames of two words without a
*tussenvoegsel* between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# Tussenvoegsels of the BRP's table 36 that occur, lower case, longest first where one begins another.
_PREFIX = (
    r"(?:van der|van den|van de|van het|van 't|van ter|van ten|van|von der|von|in der|in den|in de|in het|in 't|in|"
    r"op den|op der|op de|op het|op 't|op|aan den|aan der|aan de|aan het|aan 't|aan|uit den|uit de|uit het|uit 't|uit|"
    r"onder de|over de|bij de|bij|voor de|voor|tot|ter|ten|te|den|der|des|de la|de las|de los|de l'|de|di|da|dos|del|"
    r"du|el|al|het|la|le|les|los|'s|'t|'n|d'|l'|zur|zum|zu)"
)
_DUTCH = (
    r"(?:(?:van|von|in|op|aan|uit|onder|over|bij|voor)(?: (?:de|den|der|het|'?t|ter|ten))?|"
    r"tot|ter|ten|te|de|den|der|des|het|'s|'?t|'n|d'|el)"
)
"""The prefixes that hardly anybody bears as a first name."""
_LEADING = rf"^(?:{_PREFIX}(?:\s+|$)|[dl]')+"
_BEHIND_BARE = r"(?:(?:van|von|in|op|aan|uit) (?:de|den|der|het|'t)|de|den|der|ter|ten|'t)"
_TRAILING = rf",\s*(?:{_PREFIX}(?:\s+|$))+$|\s+{_BEHIND_BARE}\s*$"
_TITLE = (
    r"(?:de heer|den heer|de hr|hr|dhr|mevrouw|mevr|mvr|mw|mejuffrouw|mej|juffrouw|familie|fam|professor|prof|drs|"
    r"dr|ds|ing|ir|mr|lic|bc|jhr|jkvr|jonkheer|jonkvrouw|weduwe|wed)"
)
_TITLES = rf"^(?:{_TITLE}(?:\.\s*|\s+|/)(?:en\s+)?)+(.*\pL.*)$"
_NAMED_TITLES = _TITLES.replace(r"\pL.", r"\pL{2}.")  # 'de Heer J.' is no title with an initial
_SUFFIXES = r"(?:,?\s+(?:jr|jun|sr|sen)\b\.?|(\S\s+\S.*?),?\s+(?:junior|senior|msc|bsc|phd|llm|mba)\b)\s*(,.*)?$"
# What stands for a tussenvoegsel: v.d., v/d, vd, v.'t, o/d, a/d, van t; which one it is does not count.
_ABBREVIATED = (
    (r"\bv\s?[./]\s?d\b[./]?\s*|\bvd\b\.?\s*|\bv d\b\.?\s+", "van der "),
    (r"\b[aiou]\s?/\s?d\b\.?\s*", "van der "),
    (r"\b(?:v\.?|van|in|op|aan|uit)\s?'?t\s", "van 't "),
    (r"\b(el|al)-", r"\1 "),
    (r"'s-", "'s "),
    (r"\((?:\s*" + _PREFIX + r")+\s*\)", ""),
)
# Between two names: behind the first kind stands the partner's, behind the other the own name.
_OWN_FIRST = (
    r"(?:\be\s?/\s?v\b\.?|(?:\b|\s)ev\s|\b[mw]\s?/\s?v\b\.?|\becht(?:genote|genoot|g)\b\.?(?: van\b)?|"
    r"\bgehuwd met\b|\bgeh\b\.?(?: met\b)?|\bpartner van\b|\bwed(?:uwe|uwnaar)?\b\.?(?: van\b)?)"
)
_OWN_LAST = r"(?:\bgeb(?:oren)?\b\.?|\bmeisjesnaam\b:?)"
_HYPHEN = r"[-‐‑–—/]"
_CONNECTED = (
    (rf"\s*[,(]?\s*{_OWN_FIRST}\s*", "+"),
    (rf"\s*[,(]?\s*{_OWN_LAST}\s*", "|"),
    (rf"\s+{_HYPHEN}+\s*|{_HYPHEN}+\s+", "|"),
    (rf"{_HYPHEN}({_PREFIX}\s)", r"|\1"),
    (r"^([^,(]*\pL{2}[^,(]*)\(\s*([^)]*\pL{2}[^)]*)\)\s*(,.*)?$", r"\1+\2\3"),
    (r"\([^)]*\)", " "),
    (r"\)", " "),
    (r"\s*([|+])\s*", r"\1"),
)
_INITIALS = r"(?:(?:(?:\pL|ch|ph|st|th|ij|yv)\.[\s-]?)+|\pL(?:\s\pL)*)"
_ONLY_PREFIX = rf"^(?P<surname>[^,]+),\s*{_DUTCH}(?:\s+{_DUTCH})*\s*$"
_COMMA = rf"^(?P<surname>[^,]+),\s*(?P<given>[^,]*?)(?:\s+{_PREFIX})*[\s,]*$"
_BEHIND = rf"^(?P<surname>(?:{_PREFIX}\s+)*[\pL'-]{{2,}}(?:[|+][^.]*?)?)\s+(?P<given>{_INITIALS})(?:\s*{_PREFIX})*\s*$"
_ALONE = rf"^(?P<surname>(?:{_DUTCH}\s+)+\S+(?:[|+].*)?|[^\s|+]+[|+].*)$"
_WHOLE = rf"^(?P<given>[^|+]*?)\s+(?P<surname>(?:{_PREFIX}\s+)+[^\s|+].*|[^\s|+]+(?:[|+].*)?)$"
# Letters that Unicode does not take apart.
_LETTERS = {"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
# Spellings that sound alike in Dutch; in this order.
_SOUNDS = (
    ("sch", "s"),
    ("(?:ij|ei|ey|ay|y)", "y"),
    ("(?:ou|au)", "w"),
    ("(?:ph|v)", "f"),
    ("(?:ck|kx|ks)", "k"),
    ("x", "k"),
    ("(?:c|q)", "k"),
    ("(?:dt|th|d)", "t"),
    ("z", "s"),
    ("g", "h"),
    ("[aeiou]+", "a"),
)
_DOUBLED = "bfhklmnprstw"
_SOUND_LENGTH = 5


@dataclass(frozen=True, slots=True)
class NameParts:
    """Columns of letters only, lower case, null where unknown.

    ``surname``: without tussenvoegsel, of two the own name; ``other``: the partner's; ``sound`` and ``other_sound``:
    what they sound like (for blocking); ``first``: the first of the given names, or its initial; ``initial``.
    """

    surname: Any
    other: Any
    sound: Any
    other_sound: Any
    first: Any
    initial: Any


def surname_parts(surname: Any, given: Any) -> NameParts:
    """Parts of separate columns; a tussenvoegsel in a column of its own need not be given."""
    return _parts(_each(surname, lambda texts: _connected(_tidy(plain_text(texts)))), _each(given, _given))


def full_name_parts(names: Any) -> NameParts:
    """Parts of whole names: ``Anna Maria de Vries``, ``mw. A.M. v.d. Berg``, ``Vries, A.M. de``, ``Bakker P.J.``, ``A.
    Jansen e/v de Vries``, ``A. de Vries-Jansen``, ``A. de Vries geb. Jansen``, ``A. Jansen (de Vries)``."""
    plain = _without_titles(_connected(_tidy(plain_text(names))), _NAMED_TITLES)
    forms = [pc.extract_regex(plain, form) for form in (_ONLY_PREFIX, _COMMA, _BEHIND, _ALONE, _WHOLE)]
    surname = pc.coalesce(*(pc.struct_field(form, "surname") for form in forms), plain)
    nobody = pa.nulls(len(plain), pa.string())
    known = [pc.if_else(pc.is_valid(form), _field(form, "given"), nobody) for form in forms]
    given = nobody
    for form, said in reversed(list(zip(forms, known, strict=True))):
        given = pc.if_else(pc.is_valid(form), said, given)
    # 'Berg, van den J.'
    return _parts(surname, pc.replace_substring_regex(_given(given), rf"^(?:{_DUTCH}\s+)+(\pL)", r"\1"))


def _field(form: Any, name: str) -> Any:
    """A named group, null where the form has none."""
    held = [form.type.field(at).name for at in range(form.type.num_fields)]
    return pc.struct_field(form, name) if name in held else pa.nulls(len(form), pa.string())


def _each(values: Any, read: Callable[[Any], Any]) -> Any:
    """Every different value read once."""
    coded = values.dictionary_encode()
    return read(coded.dictionary).take(coded.indices)


def _given(names: Any) -> Any:
    return _without_titles(plain_text(names), _TITLES)


def _without_titles(plain: Any, titles: str) -> Any:
    return pc.replace_substring_regex(plain, titles, r"\1")


def _tidy(plain: Any) -> Any:
    """Without titles behind the name, and abbreviated tussenvoegsels spelt out."""
    text = plain
    for _ in range(2):
        text = pc.replace_substring_regex(text, _SUFFIXES, r"\1\2")
    for written, spelt in _ABBREVIATED:
        text = pc.replace_substring_regex(text, written, spelt)
    return text


def _connected(tidy: Any) -> Any:
    """``own+partner's`` or ``partner's|own``, however the two names are put together."""
    text = pc.replace_substring_regex(tidy, r"[+|]", " ")
    for written, mark in _CONNECTED:
        text = pc.replace_substring_regex(text, written, mark)
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(text, r"\s+", " "))


def _parts(surname: Any, given: Any) -> NameParts:
    nobody = pa.scalar(None, pa.string())
    sides = pc.extract_regex(surname, r"^(?P<own>[^+]*)(?:\+(?P<partner>.*))?$")
    two = pc.replace_substring_regex(pc.struct_field(sides, "own"), rf"\s*{_HYPHEN}\s*", "|")
    last = _bare(pc.replace_substring_regex(two, r"^.*\|", ""))
    before = _bare(pc.replace_substring_regex(two, r"\|?[^|]*$", ""))
    partner = _bare(pc.replace_substring_regex(pc.struct_field(sides, "partner"), r"^.*[|+]", ""))
    # 'Jansen-' has one name only, and 'Jansen-Jansen' has too
    own = pc.coalesce(last, before, partner)
    other = pc.coalesce(partner, pc.if_else(pc.is_null(last), nobody, before))
    other = pc.if_else(pc.equal(other, own), nobody, other)
    first = _letters(pc.replace_substring_regex(given, r"^[^\pL]*(\pL+).*$", r"\1"))
    initial = pc.utf8_slice_codeunits(first, 0, 1)
    return NameParts(own, other, sound_of(own), sound_of(other), first, initial)


def plain_text(values: Any) -> Any:
    """Lower case without diacritics, apostrophes of one kind, blanks single."""
    text = pc.utf8_normalize(pc.utf8_lower(pc.utf8_trim_whitespace(values)), form="NFKD")
    text = pc.replace_substring_regex(text, r"\pM+", "")
    for letter, plain in _LETTERS.items():
        text = pc.replace_substring(text, letter, plain)
    text = pc.replace_substring_regex(text, r"[’‘`´ʼ]", "'")
    return pc.replace_substring_regex(text, r"\s+", " ")


def _bare(surname: Any) -> Any:
    """A surname without tussenvoegsels; where nothing would be left ('Van'), as it is."""
    trimmed = pc.utf8_trim_whitespace(pc.replace_substring_regex(surname, r"^(?:\pL\.[\s-]?)+", ""))
    without = pc.replace_substring_regex(pc.replace_substring_regex(trimmed, _TRAILING, ""), _LEADING, "")
    return pc.coalesce(_letters(without), _letters(trimmed))


def _letters(text: Any) -> Any:
    """Letters only, *ij* as *y*; null when none is left."""
    kept = pc.replace_substring(pc.replace_substring_regex(text, r"[^\pL]+", ""), "ij", "y")
    return pc.if_else(pc.equal(kept, ""), pa.scalar(None, pa.string()), kept)


def sound_of(name: Any) -> Any:
    """The first consonants as they sound, vowels as one: a key to find spellings by, not evidence."""
    text = name
    for spelt, heard in _SOUNDS:
        text = pc.replace_substring_regex(text, spelt, heard)
    for letter in _DOUBLED:
        text = pc.replace_substring_regex(text, f"{letter}{letter}+", letter)
    return pc.utf8_slice_codeunits(text, 0, _SOUND_LENGTH)
