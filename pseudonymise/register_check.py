"""Received records beside the office's own identified register: well-formed identifiers that are somebody else's.

What is found is for the custodian alone. A supplier is not told what the register says: it was collected for
statistics, and does not go back as an administrative fact (CBS-wet, art. 37).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from enclave.errors import BadInput, NotReady
from enclave.identifiers import as_strings
from pseudonymise.schemas import DeliverySchema, RegisterCheck
from pseudonymise.uniqueness import digest_keys, row_digests

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_CANDIDATES = 4
_KEY = digest_keys(b"descriptions")  # digests that stay in this process
_TYPING_ERROR = 2


class Doubt(Enum):
    """What the register says against a record."""

    ANOTHER_PERSON = "another_person"
    DAY_MONTH = "day_month_swapped"
    BIRTH_DATE = "birth_date"
    MISTYPED = "mistyped"
    UNKNOWN_OBJECT = "unknown_object"

    def description(self) -> str:
        """One clause for the custodian."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Doubt.ANOTHER_PERSON: "the identifier is, in the register, of a person with another name or birth date",
    Doubt.DAY_MONTH: "day and month of the birth date are the other way round in the register",
    Doubt.BIRTH_DATE: "the register has another birth date for this identifier and name",
    Doubt.MISTYPED: "not in the register, which has the same name and birth date at a number of one typing error",
    Doubt.UNKNOWN_OBJECT: "no such object in the register: an outdated municipality code?",
}


@dataclass(frozen=True, slots=True)
class IdentifiedRegister:
    """What is needed of the key register, sorted by number: 8 bytes an object, about 30 bytes a person.

    ``birth``: yyyymmdd; ``surname``: letters only, upper case, without accents. ``by_description`` orders persons by
    a digest of birth date and surname.
    """

    bsn: Ints
    birth: Ints
    surname: Any
    description: Ints
    by_description: Ints
    objects: Ints

    @classmethod
    def load(cls, folder: Path) -> IdentifiedRegister:
        """Read ``persons`` and ``addresses`` of the identified key register.

        Raises:
            NotReady: a file is missing. BadInput: it lacks a column.
        """
        persons = _table(folder, "persons", ["bsn", "surname", "birth_date"])
        objects = _table(folder, "addresses", ["bag_id"])
        bsn = _numbers(persons.column("bsn"))
        order = np.argsort(bsn, kind="stable")
        birth = _numbers(persons.column("birth_date"))[order]
        surname = folded(persons.column("surname")).take(pa.array(order))
        description = _digests(birth, surname)
        by_description = np.argsort(description, kind="stable")
        return cls(
            bsn[order],
            birth,
            surname,
            description[by_description],
            by_description,
            np.sort(_numbers(objects.column("bag_id"))),
        )

    def doubts(self, schema: DeliverySchema, table: pa.Table) -> Iterator[tuple[str, Doubt, Bools]]:
        """Per declared check: identifier column, doubt, and the rows of ``table`` (typed, as accepted) that have it."""
        for check in schema.rules.against_register:
            numbers = _numbers(table.column(check.identifier))
            if schema.column(check.identifier).kind == "bag":
                unknown = (numbers >= 0) & ~_held(self.objects, numbers)[1]
                yield check.identifier, Doubt.UNKNOWN_OBJECT, unknown
            elif len(check.columns) > 1:
                yield from ((check.identifier, doubt, rows) for doubt, rows in self._persons(check, table, numbers))

    def _persons(self, check: RegisterCheck, table: pa.Table, numbers: Ints) -> Iterator[tuple[Doubt, Bools]]:
        place, known = _held(self.bsn, numbers)
        birth = _numbers(table.column(check.birth_date)) if check.birth_date else np.full(len(numbers), -1)
        name = folded(table.column(check.surname or check.full_name)) if check.surname or check.full_name else None
        dated = birth >= 0
        differs = known & dated & (birth != self.birth[place])
        swapped = differs & (_other_way_round(birth) == self.birth[place])
        named, agrees = np.zeros(len(numbers), dtype=np.bool_), np.zeros(len(numbers), dtype=np.bool_)
        if name is not None:
            named = pc.not_equal(name, "").to_numpy(zero_copy_only=False)
            agrees = named & _name_agrees(name, self.surname.take(pa.array(place)), whole=bool(check.surname))
        yield Doubt.DAY_MONTH, swapped & (agrees | ~named)
        yield Doubt.BIRTH_DATE, differs & ~swapped & agrees
        contradicted = named & ~agrees
        yield Doubt.ANOTHER_PERSON, differs & (contradicted | ~named & ~swapped) | known & ~dated & contradicted
        if check.surname and check.birth_date:
            yield Doubt.MISTYPED, ~known & (numbers >= 0) & dated & self._near(numbers, birth, name)

    def _near(self, numbers: Ints, birth: Ints, surname: Any) -> Bools:
        """Whether the register has somebody of this birth date and surname whose number differs by a typing error."""
        digests = _digests(birth, surname)
        first = np.searchsorted(self.description, digests, side="left")
        near = np.zeros(len(numbers), dtype=np.bool_)
        for step in range(_CANDIDATES):
            at = np.minimum(first + step, len(self.description) - 1)
            same = self.description[at] == digests
            near |= same & (_differing_digits(self.bsn[self.by_description[at]], numbers) <= _TYPING_ERROR)
        return near


def folded(names: Any) -> Any:
    """Letters only, in capitals and without accents; null is empty."""
    plain = pc.utf8_normalize(pc.fill_null(as_strings(names), ""), form="NFKD")
    return pc.ascii_upper(pc.replace_substring_regex(plain, "[^A-Za-z]", ""))


def _name_agrees(delivered: Any, registered: Any, *, whole: bool) -> Bools:
    if whole:
        same: Bools = pc.equal(delivered, registered).to_numpy(zero_copy_only=False)
        return same
    # of a full name the surname is a part, wherever it stands
    text, wanted = (
        np.asarray(side.to_numpy(zero_copy_only=False), dtype=np.dtypes.StringDType())
        for side in (delivered, registered)
    )
    part: Bools = np.strings.find(text, wanted) >= 0
    return part


def _other_way_round(dates: Ints) -> Ints:
    return dates // 10_000 * 10_000 + dates % 100 * 100 + dates // 100 % 100


def _differing_digits(left: Ints, right: Ints) -> Ints:
    differing = np.zeros(len(left), dtype=np.int64)
    for _ in range(9):
        differing += left % 10 != right % 10
        left, right = left // 10, right // 10
    return differing


def _digests(birth: Ints, surname: Any) -> Ints:
    described = pa.table({"birth": birth, "surname": surname})
    found: Ints = row_digests(described, described.column_names, _KEY).view(np.int64)
    return found


def _held(sorted_numbers: Ints, wanted: Ints) -> tuple[Ints, Bools]:
    if not len(sorted_numbers):
        return np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=np.bool_)
    place = np.minimum(np.searchsorted(sorted_numbers, wanted), len(sorted_numbers) - 1)
    return place, sorted_numbers[place] == wanted


def _numbers(texts: Any) -> Ints:
    """Texts of figures as numbers; −1 where empty."""
    texts = as_strings(texts)
    filled = pc.if_else(pc.fill_null(pc.equal(texts, ""), True), "-1", texts)
    found: Ints = filled.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return found


def _table(folder: Path, name: str, columns: list[str]) -> pa.Table:
    path = folder / f"{name}.parquet"
    if not path.is_file():
        raise NotReady(f"the key register lacks {name}", where=folder.name)
    with pq.ParquetFile(path) as file:
        missing = sorted(set(columns) - set(file.schema_arrow.names))
        if missing:
            raise BadInput(f"the key register's {name} lacks: {', '.join(missing)}", where=path.name)
        return file.read(columns=columns)
