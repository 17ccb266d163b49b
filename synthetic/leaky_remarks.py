"""Remarks as clerks write them, into some of which an identifier slipped, for measuring the leak scan.

Every remark is different and holds figures (a time and a count), so that nothing is found by having been seen before.
Dates, amounts, telephone-like and case-like numbers stand beside the leaks and are none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthetic import names
from synthetic.randomness import Floats, Ints, uniforms

LEAKING = 0.001
"""Share of remarks with a planted identifier; the kinds come in turn."""

_SUBJECTS = ("kelder", "zolder", "schuur", "garage", "slaapkamer", "kas", "loods", "woning", "berging", "tuinhuis")
_FOUND = ("stroom afgetapt", "geen bijzonderheden", "sterke geur", "lekkage", "ramen afgeplakt", "niemand aanwezig")
_DONE = (
    "dossier gesloten",
    "wordt vervolgd",
    "brief gestuurd",
    "melding doorgezet",
    "sleutel ingeleverd",
    "geen reactie",
)
_DECOYS = (
    *("op 12-03-2016", "sinds 2016-03-12", "van 1 t/m 31 mei 2016", "om 14.30 uur", "tussen 09:00 en 17:00"),
    *("schade € 1.234,50", "boete 1.234.567,89 euro", "37,5 %", "circa 120 planten", "3 x 400 watt", "2.500 kWh"),
    *("zie bijlage 3", "art. 13b Opiumwet", "punt 4.2.1", "kamer 2.14", "lijn 12", "snelweg 2", "versie 2.10.3"),
    *("Markt bezocht op 5 mei", "mevrouw Brink 5 keer gebeld", "dhr. Van Dijk 2 maal", "op de markt 12 kramen"),
    *("Parkeerplaats 12 leeg", "de Dam 2016", "Slaaphoek 40 planten", "fietspad 2 km verder", "Kerkpad om 14.30 uur"),
    *("artikel 8711234567897", "order 12345678901", "factuur 2016-0412", "de auto 12 km verder", "in NO 4 lampen"),
    *("meterstand 04821", "verbruik 12345 m3", "1e verdieping", "4 stuks", "postcodegebied 1234", "buurt BU90010102"),
)


@dataclass(frozen=True, slots=True)
class LeakyRemarks:
    """``remarks``; per row the name of the planted ``kind`` (dictionary-encoded, null: none); the same rows' ``name``
    and ``number`` columns, which the supplier fills and pseudonymisation drops."""

    remarks: pa.Array
    kind: pa.Array
    name: pa.Array
    number: pa.Array


def leaky_remarks(rows: int, *, seed: int, first: int = 0, leaking: float = LEAKING) -> LeakyRemarks:
    """Rows ``first`` … ``first + rows - 1``; same seed and row, same remark."""
    u = uniforms(seed, "leaky/remarks", first, rows, 10)
    own_name, own_number = _names(u[:, 0:2]), _numbers(u[:, 2])
    texts = pc.binary_join_element_wise(
        _picked(_SUBJECTS, u[:, 3]),
        _picked(_FOUND, u[:, 4]),
        _picked(_DECOYS, u[:, 5]),
        _clock(np.arange(first, first + rows)),
        _picked(_DONE, u[:, 6]),
        ", ",
    )
    planted = np.flatnonzero(u[:, 7] < leaking)
    kinds = list(KINDS)
    which = (u[planted, 8] * len(kinds)).astype(np.int64)
    leaks = [
        KINDS[kinds[k]](float(draw), own_name[int(row)].as_py(), own_number[int(row)].as_py())
        for row, k, draw in zip(planted, which, u[planted, 9], strict=True)
    ]
    mask = np.zeros(rows, dtype=np.bool_)
    mask[planted] = True
    whole = pc.binary_join_element_wise(texts.filter(pa.array(mask)), pa.array(leaks, pa.string()), "; ")
    indices = np.full(rows, -1, dtype=np.int64)
    indices[planted] = which
    coded = pa.DictionaryArray.from_arrays(pa.array(indices, mask=indices < 0), pa.array(kinds))
    return LeakyRemarks(pc.replace_with_mask(texts, pa.array(mask), whole), coded, own_name, own_number)


def _names(u: Floats) -> pa.Array:
    firsts = names.texts(names.FIRST_NAMES, names.first_name_numbers(u[:, 0], u[:, 0] < 0.5))
    return pc.binary_join_element_wise(firsts, names.texts(names.SURNAMES, names.surname_numbers(u[:, 1])), " ")


def _numbers(u: Floats) -> pa.Array:
    digits = pc.utf8_lpad(pa.array((u * 1e6).astype(np.int64)).cast(pa.string()), 6, "0")
    return pc.binary_join_element_wise("H-2016", digits, "-")


def _picked(words: Sequence[str], u: Floats) -> pa.Array:
    return pa.array(words).take(pa.array((u * len(words)).astype(np.int64)))


def _clock(row: Ints) -> pa.Array:
    """``bezoek 1234567 om 03:25``: no two alike, and no number of eight figures below ten million rows."""
    visit = pa.array(row % 10_000_000).cast(pa.string())
    minute = pc.utf8_lpad(pa.array(row % 60).cast(pa.string()), 2, "0")
    hour = pc.utf8_lpad(pa.array(row // 60 % 24).cast(pa.string()), 2, "0")
    return pc.binary_join_element_wise(
        pc.binary_join_element_wise("bezoek", visit, "om", " "), pc.binary_join_element_wise(hour, minute, ":"), " "
    )


def _eleven(u: float) -> str:
    """A number of nine figures that passes the eleven-test."""
    number = 100_000_000 + int(u * 800_000_000)
    while sum(w * int(d) for w, d in zip((9, 8, 7, 6, 5, 4, 3, 2, -1), str(number), strict=True)) % 11:
        number += 1
    return str(number)


def _spelt(u: float, spellings: Sequence[str]) -> str:
    return spellings[int(u * 9973 * len(spellings)) % len(spellings)]


def _bsn(u: float, name: str, number: str) -> str:
    n = _eleven(u)
    return _spelt(
        u, (n, f"BSN {n}", f"bsn: {n[:4]}.{n[4:6]}.{n[6:]}", f"{n[:3]} {n[3:6]} {n[6:]}", f"burgerservicenr {n}")
    )


def _rsin(u: float, name: str, number: str) -> str:
    return f"RSIN {_eleven(u)}"


def _kvk(u: float, name: str, number: str) -> str:
    n = f"{10_000_000 + int(u * 8e7)}"
    spellings = (f"KvK {n}", f"kvk-nummer: {n}", f"Kamer van Koophandel nr. {n}", f"k.v.k. {n[:4]} {n[4:]}")
    return _spelt(u, (*spellings, f"kvk-nr. {n[:2]} {n[2:4]} {n[4:6]} {n[6:]}"))


def _establishment(u: float, name: str, number: str) -> str:
    n = f"0000{10_000_000 + int(u * 8e7)}"
    return _spelt(u, (n, f"vestigingsnummer {n}", f"vestiging {n[:4]} {n[4:8]} {n[8:]}"))


def _bag(u: float, name: str, number: str) -> str:
    n = f"90{int(u * 100):02d}01{int(u * 1e10):010d}"
    return _spelt(u, (n, f"{n[:4]} {n[4:6]} {n[6:]}", f"object {n}"))


def _postcode(u: float, name: str, number: str) -> str:
    four, house = 1000 + int(u * 8999), 1 + int(u * 7919) % 300
    return _spelt(u, (f"{four} AB {house}", f"{four}AB {house}a", f"{four}ab, nr. {house}", f"nr {house}, {four} KL"))


def _street(u: float, name: str, number: str) -> str:
    house = 1 + int(u * 7919) % 300
    streets = ("Kerkstraat", "aan de Oude weg", "Laan van Nergens", "dorpsplein", "Amsteldijk", "Grote Markt", "Brink")
    return _spelt(u, (*(f"{street} {house}" for street in streets), f"Molenhof nr. {house}a", f"KERKPAD {house}"))


def _plate(u: float, name: str, number: str) -> str:
    a, b = f"{int(u * 100):02d}", f"{int(u * 7919) % 100:02d}"
    spellings = (f"{a}-GH-{b}", f"HJ-{a}-KL", f"{a}-nrt-{b[0]}", f"busje GH{a}{b}", f"kenteken 7 KLM {a}")
    return _spelt(u, (*spellings, f"kenteken AE-{a}-{b}"))


def _iban(u: float, name: str, number: str) -> str:
    account = f"{int(u * 1e10):010d}"
    rest = int("".join(str(int(symbol, 36)) for symbol in f"ABNA{account}NL00"))
    n = f"NL{98 - rest % 97:02d}ABNA{account}"
    return _spelt(u, (n, n.lower(), " ".join(n[i : i + 4] for i in range(0, 18, 4)), f"rek. {n}"))


def _phone(u: float, name: str, number: str) -> str:
    n = f"{10_000_000 + int(u * 89_999_999)}"
    return _spelt(u, (f"06{n}", f"06-{n}", f"+31 6 {n}", f"020 {n[:3]} {n[3:7]}", f"0031 6 {n[:4]} {n[4:]}"))


def _email(u: float, name: str, number: str) -> str:
    return _spelt(
        u, (f"j.k{int(u * 1e6)}@voorbeeld.nl", f"info{int(u * 99)} (at) voorbeeld.example", "A.B@MAIL.EXAMPLE")
    )


def _foreign(u: float, name: str, number: str) -> str:
    born = f"{50 + int(u * 50):02d}{1 + int(u * 7919) % 12:02d}{1 + int(u * 104729) % 28:02d}"
    serial = f"{1 + int(u * 1e6) % 997:03d}"
    check = f"{97 - int(born + serial) % 97:02d}"
    parted = f"{born[:2]}.{born[2:4]}.{born[4:]}-{serial}.{check}"
    ten = f"{born}{int(u * 1e7) % 10_000:04d}"
    pesel = f"{ten}{-sum(w * int(d) for w, d in zip((1, 3, 7, 9) * 3, ten, strict=False)) % 10}"
    dni = f"{10_000_000 + int(u * 8e7)}"
    dni += "TRWAGMYFPDXBNJZSQVHLCKE"[int(dni) % 23]
    belgian = (f"BE {parted}", parted, f"rijksregisternummer {born}{serial}{check}")
    return _spelt(u, (*belgian, f"pesel: {pesel}", f"dni {dni}", f"ES{dni}"))


def _own_name(u: float, name: str, number: str) -> str:
    return _spelt(u, (name, f"mevrouw {name.rsplit(maxsplit=1)[-1]}", name.upper(), f"dhr {name.lower()}"))


def _own_number(u: float, name: str, number: str) -> str:
    respelt = (number.replace("-", mark) for mark in " .")
    return _spelt(u, (number, f"zie {number.lower()}", f"({number})", *respelt))


KINDS: dict[str, Callable[[float, str, str], str]] = {
    "bsn": _bsn,
    "rsin": _rsin,
    "kvk": _kvk,
    "establishment": _establishment,
    "bag": _bag,
    "postcode and number": _postcode,
    "street and number": _street,
    "licence plate": _plate,
    "foreign": _foreign,
    "iban": _iban,
    "phone": _phone,
    "e-mail": _email,
    "name": _own_name,
    "own number": _own_number,
}
"""What is planted: (uniform draw, the record's name, its number) -> what stands in the remark."""
