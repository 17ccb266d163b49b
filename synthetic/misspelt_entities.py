"""Registers of entities and of addresses, and deliveries about them as clerks write them, for trying linkage out.

What is planted: legal forms spelt otherwise or left out, words in another order, trade names, sisters of one group at
one address, entities that moved, typing errors, abbreviated streets, additions behind the number, mistyped and missing
postcodes, and units that the register does not know. Every true pair is known.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthetic import names
from synthetic.misspelt_persons import MISSING_FROM_REGISTER, Planted, addresses, misspelt, mixed, without_marks
from synthetic.randomness import Floats, Ints, uniforms

_GROUP = ("Holding", "Beheer")
# as registered, then as written instead
_FORMS = (
    ("", "", "", ""),
    ("B.V.", "BV", "b.v.", ""),
    ("Stichting", "St.", "Stg.", ""),
    ("V.O.F.", "vof", "VOF", ""),
    ("N.V.", "NV", "n.v.", ""),
    ("Vereniging", "Ver.", "vereniging", ""),
)
_FORM_SHARES = (0.35, 0.30, 0.12, 0.12, 0.03, 0.08)
_IN_FRONT = ("Stichting", "Vereniging")
_UNITS_A_HOME = 1.6
_SPREAD = 5  # so that four homes with a firm share a postcode


def misspelt_entities(entities: int, delivered: int, *, seed: int) -> Planted:
    """``entities`` in the register, ``delivered`` records of different entities; same seed, same tables."""
    extra = round(delivered * MISSING_FROM_REGISTER)
    everyone = _entities(entities + extra, seed)
    who, truth = _sample(entities, delivered, extra, seed, "entities")
    register = everyone.slice(0, entities)
    register = register.append_column("name", _named(register, register["form_0"]))
    return Planted(register, _written(everyone.take(pa.array(who)), seed), truth)


def _sample(known: int, delivered: int, extra: int, seed: int, what: str) -> tuple[Ints, Ints]:
    order = np.argsort(uniforms(seed, f"misspelt/{what}/who", 0, known)[:, 0], kind="stable")[: delivered - extra]
    who = np.concatenate([order, np.arange(known, known + extra)])
    who = who[np.argsort(uniforms(seed, f"misspelt/{what}/order", 0, delivered)[:, 0], kind="stable")]
    return who, np.where(who < known, who, -1)


def _entities(count: int, seed: int) -> pa.Table:
    u = uniforms(seed, "misspelt/entities", 0, count, 6)
    numbers = np.arange(count)
    sister = (u[:, 0] < 0.10) & (numbers > 0)
    of = np.where(sister, numbers - 1, numbers)  # a sister has the name and the home of the entity before
    family = names.texts(names.SURNAMES, (len(names.SURNAMES) * u[of, 1] ** 1.5).astype(np.int64))
    trade = names.texts(names.TRADES, (len(names.TRADES) * u[of, 2]).astype(np.int64))
    place = names.texts(names.STREETS, (len(names.STREETS) * u[of, 4]).astype(np.int64))
    core = pc.binary_join_element_wise(family, trade, " ")
    core = pc.if_else(pa.array(u[of, 3] < 0.4), pc.binary_join_element_wise(core, place, " "), core)
    group = names.texts(_GROUP, (2 * u[:, 3]).astype(np.int64))
    form = np.searchsorted(np.cumsum(_FORM_SHARES), u[:, 5]).clip(0, len(_FORMS) - 1)
    form = np.where(sister, 1, form)
    home = (uniforms(seed, "misspelt/entities/home", 0, count)[of, 0] * count / _UNITS_A_HOME).astype(np.int64)
    spelt = {f"form_{at}": names.texts(tuple(f[at] for f in _FORMS), form) for at in range(4)}
    return pa.table(
        {
            "BEID": pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 9, "0"),
            "rsin": pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 9, "0"),
            "core": pc.if_else(pa.array(sister), pc.binary_join_element_wise(core, group, " "), core),
            "home": pa.array(home),
            "in_front": pc.is_in(spelt["form_0"], pa.array(_IN_FRONT)),
            **spelt,
            **addresses(_SPREAD * home),
        }
    )


def _named(table: pa.Table, form: Any) -> Any:
    before = pc.binary_join_element_wise(form, table["core"], " ")
    behind = pc.binary_join_element_wise(table["core"], form, " ")
    return pc.utf8_trim_whitespace(pc.if_else(table["in_front"], before, behind)).combine_chunks()


def _written(table: pa.Table, seed: int) -> pa.Table:
    u = uniforms(seed, "misspelt/entities/errors", 0, table.num_rows, 9)
    form = table["form_0"]
    for at, (low, high) in enumerate(((0.30, 0.50), (0.50, 0.60), (0.60, 0.72)), start=1):
        form = pc.if_else(pa.array((u[:, 0] >= low) & (u[:, 0] < high)), table[f"form_{at}"], form)
    core = table["core"].combine_chunks()
    turned = pc.replace_substring_regex(core, r"^(\S+) (.*)$", r"\2, \1")
    core = pc.if_else(pa.array(u[:, 1] < 0.03), turned, core)
    core = misspelt(without_marks(core, u[:, 2] < 0.3), u[:, 3] < 0.05, u[:, 4:6])
    core = pc.if_else(pa.array(u[:, 1] > 0.96), pc.binary_join_element_wise(core, "'t Hoekje", " h.o.d.n. "), core)
    name = _named(table.set_column(table.column_names.index("core"), "core", core), form)
    name = pc.if_else(pa.array(u[:, 6] < 0.15), pc.utf8_upper(name), name)
    home = table["home"].to_numpy()
    gone, moved = u[:, 7] > 0.97, u[:, 7] < 0.10
    address = addresses(np.where(moved, (u[:, 8] * table.num_rows).astype(np.int64), home) * _SPREAD)
    return pa.table(
        {
            "rsin": pa.array([""] * table.num_rows),
            "name": name,
            "postcode": mixed(address["postcode"], gone, ""),
            "house_number": mixed(address["house_number"], gone, ""),
        }
    )


def misspelt_addresses(homes: int, delivered: int, *, seed: int) -> Planted:
    """``homes`` in the register, ``delivered`` records of different homes; same seed, same tables."""
    extra = round(delivered * MISSING_FROM_REGISTER)
    everyone = _homes(homes + extra, seed)
    # the unknown ones lie among the others, as neighbours do
    shuffled = np.argsort(uniforms(seed, "misspelt/homes/shuffle", 0, homes + extra)[:, 0], kind="stable")
    everyone = everyone.take(pa.array(shuffled))
    unit = pc.utf8_lpad(pa.array(np.arange(homes + extra)).cast(pa.string()), 9, "0")
    everyone = everyone.append_column("RINOBJECTNUMMER", unit).append_column("bag_id", unit)
    who, truth = _sample(homes, delivered, extra, seed, "homes")
    return Planted(everyone.slice(0, homes), _written_homes(everyone.take(pa.array(who)), seed), truth)


def _homes(count: int, seed: int) -> pa.Table:
    """Streets of forty buildings and three postcodes; a building of several homes has additions."""
    u = uniforms(seed, "misspelt/homes", 0, count)
    building = np.cumsum(u[:, 0] > 0.35)
    first = np.flatnonzero(np.diff(building, prepend=-1))
    within = np.arange(count) - first[np.unique(building, return_inverse=True)[1]]
    street = building // 40
    several = np.isin(building, building[within > 0])
    letters = pa.array(np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))[np.minimum(within, 25)].tolist())
    return pa.table(
        {
            "street": names.texts(names.STREETS, street * 31 % len(names.STREETS)),
            "house_number": pa.array(building % 40 * 2 + 1).cast(pa.string()),
            "addition": pc.if_else(pa.array(several), letters, ""),
            "postcode": _postcodes(street * 3 + building % 40 // 16),
            "municipality": pa.array(9001 + street // 60).cast(pa.string()),
        }
    )


def _postcodes(block: Ints) -> Any:
    letters = "ABCDEGHJKLMNPRSTVWXZ"
    pairs = pa.array([first + second for first in letters for second in letters])
    digits = pa.array(1000 + block // 400 % 9000).cast(pa.string())
    return pc.binary_join_element_wise(digits, pairs.take(pa.array(block % 400)), "")


def _written_homes(table: pa.Table, seed: int) -> pa.Table:
    u = uniforms(seed, "misspelt/homes/errors", 0, table.num_rows, 10)
    street, number, addition = (table[name].combine_chunks() for name in ("street", "house_number", "addition"))
    short = pc.replace_substring_regex(pc.replace_substring_regex(street, "straat$", "str."), "laan$", "ln")
    street = misspelt(pc.if_else(pa.array(u[:, 0] < 0.3), short, street), u[:, 1] < 0.03, u[:, 2:4])
    postcode = table["postcode"].combine_chunks()
    other = pc.binary_join_element_wise(pc.utf8_slice_codeunits(postcode, 0, 5), "Q", "")
    postcode = pc.if_else(pa.array(u[:, 4] < 0.03), other, postcode)
    written = pc.if_else(
        pa.array(u[:, 5] < 0.4),
        pc.binary_join_element_wise(pc.utf8_slice_codeunits(postcode, 0, 4), pc.utf8_slice_codeunits(postcode, 4), " "),
        postcode,
    )
    slip = pa.array(number.cast(pa.int64()).to_numpy() + 2).cast(pa.string())
    number = pc.if_else(pa.array(u[:, 6] < 0.003), slip, number)
    addition = mixed(addition, u[:, 7] < 0.03, "")
    behind = _behind(number, addition, u[:, 8])
    together = pa.array(u[:, 9] < 0.5)
    return pa.table(
        {
            "bag_id": pa.array([""] * table.num_rows),
            "street": street,
            "house_number": pc.if_else(together, behind, number),
            "addition": pc.if_else(together, "", addition),
            "postcode": mixed(written, u[:, 4] > 0.95, ""),
            "municipality": table["municipality"],
        }
    )


def _behind(number: Any, addition: Any, u: Floats) -> Any:
    """``12-A``, ``12 a`` or ``12A``."""
    dashed = pc.binary_join_element_wise(number, addition, "-")
    spaced = pc.binary_join_element_wise(number, pc.utf8_lower(addition), " ")
    close = pc.binary_join_element_wise(number, addition, "")
    made = pc.if_else(pa.array(u < 0.3), dashed, pc.if_else(pa.array(u < 0.6), spaced, close))
    return pc.if_else(pc.equal(addition, ""), number, made)
