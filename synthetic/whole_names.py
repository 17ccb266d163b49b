"""Whole names in one column, as clerks write them: titles, initials behind, *v.d.*, *e/v*, *geb.*, *jr.*"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synthetic.randomness import uniforms

_TITLES = ("", "", "", "mw. ", "Dhr. ", "mevr. drs. ", "prof.dr. ", "De heer ")
_FORMS = (
    *(r"\1\2 \3\4",) * 5,
    *(r"\4, \1\2 \3",) * 3,
    *(r"\3\4, \2",) * 2,
    r"\1\2 \3\4 jr.",
    r"\1\3\4",  # no first name at all
)
_SHORT = (("van der ", "v.d. "), ("van den ", "v/d "), ("van 't ", "van t "), ("op de ", "o/d "))
_JOINED = (r"\1-\2", r"\2 e/v \1", r"\1 geb. \2", r"\2 (gehuwd met \1)", r"\2 (\1)")
_PARTED = "\x1f"


def whole_names(delivery: pa.Table, *, seed: int) -> Any:
    """First names, tussenvoegsel and surname of every row as one text; same seed, same texts."""
    u = uniforms(seed, "misspelt/whole-names", 0, delivery.num_rows, 4)
    prefix = pc.if_else(pc.equal(delivery["prefix"], ""), "", pc.binary_join_element_wise(delivery["prefix"], "", " "))
    for written, short in _SHORT:
        prefix = pc.if_else(pa.array(u[:, 0] < 0.3), pc.replace_substring(prefix, written, short), prefix)
    title = pa.array(_TITLES).take(pa.array((u[:, 1] * len(_TITLES)).astype("int64")))
    first, surname = delivery["first_names"], delivery["surname"]
    parts = pc.binary_join_element_wise(title, first, prefix, surname, _PARTED)
    taken_apart = rf"^([^{_PARTED}]*){_PARTED}([^{_PARTED}]*){_PARTED}([^{_PARTED}]*){_PARTED}([^{_PARTED}]*)$"
    written = _one_of(parts, taken_apart, _FORMS, u[:, 2])
    both = r"(\pL+)-([^,]*\pL)"  # of a married woman's names the partner's stands first
    return _one_of(pc.utf8_trim_whitespace(written), both, _JOINED, u[:, 3])


def _one_of(texts: Any, pattern: str, forms: tuple[str, ...], u: Any) -> Any:
    made = texts
    for number, form in enumerate(forms):
        mine = pa.array((u * len(forms)).astype("int64") == number)
        made = pc.if_else(mine, pc.replace_substring_regex(texts, pattern, form, max_replacements=1), made)
    return made
