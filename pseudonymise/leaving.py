"""The scan of what leaves the identified zone, batch by batch: the same at home, at receipt and at pseudonymisation.

Texts are looked at for identifiers, names and the record's own numbers; the columns that stay are judged as a whole.
A delivery's names may stand in any of its texts, so they are learnt first, in a pass of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import EnclaveError, Fault
from enclave.identifier_density import FORMS, CopyCheck, DensityCheck, bare
from enclave.identifier_patterns import LeakKind
from enclave.identifiers import as_strings
from enclave.text_runs import Ints
from pseudonymise.coarsening import coarsening
from pseudonymise.conversion import convert
from pseudonymise.formats.batch import Batch, Note
from pseudonymise.leak_names import NameWords
from pseudonymise.leak_scan import SHOWN_ROWS, LeakTally, any_leak, scan_text
from pseudonymise.quarantine import RECORD
from pseudonymise.schemas import CHECKED_KINDS, ColumnSpec, DeliverySchema
from pseudonymise.validation import Sorted, Tally

BLANK_ON_LEAK = "text-drop-on-leak"
TEXT = ("text-scan", BLANK_ON_LEAK)
Tell: TypeAlias = Callable[[str, LeakKind, Ints], None]
_COUNTRY = "^(?:[A-Z]{2}|V):"


def kept_name(column: ColumnSpec) -> str:
    """What a column that stays, or becomes coarser, is called afterwards; empty when it does neither."""
    rule = column.treatment.removeprefix("coarsen:")
    return column.name if rule == "keep" else f"{column.name}_{rule}" if rule != column.treatment else ""


class LeavingScan:
    """Looks at the typed batches of one delivery; ``present`` are the columns that it has.

    ``tell`` is handed each column, kind and record numbers that something was found in, but for what is blanked.
    ``names`` are the columns to learn from first; ``columns`` those that every batch must hold; ``blanked`` counts the
    texts that are blanked because the schema says so, by column, and ``blanked_rows`` holds the first of each.
    """

    def __init__(self, schema: DeliverySchema, present: Collection[str], tell: Tell | None = None) -> None:
        self._tell = tell
        found = [column for column in schema.columns if column.name in present]
        self._texts = [column.name for column in found if column.treatment in TEXT]
        self._kept = {kept_name(column): column for column in found if kept_name(column)}
        self._numbers = [column for column in found if column.kind in CHECKED_KINDS]
        self._streets = [column.name for column in found if column.kind == "street"] if self._texts else []
        self.names = [column.name for column in found if column.kind == "name"] if self._texts else []
        own = [*self.names, *self._streets, *(column.name for column in self._numbers)]
        self.columns = {*self._texts, *own, *(column.name for column in self._kept.values())}
        self.blanked = dict.fromkeys((column.name for column in found if column.treatment == BLANK_ON_LEAK), 0)
        self.blanked_rows: dict[str, list[int]] = {name: [] for name in self.blanked}
        self._known = NameWords()
        self._tally = LeakTally()
        self._density = {name: DensityCheck(tuple(FORMS)) for name in self._kept}
        self._copies = {name: CopyCheck() for name in self._kept}
        self._bare: list[Any] = []

    def learn(self, batch: Any) -> None:
        """Take in the names of one batch: of all batches before the first look."""
        for name in self.names:
            self._known.add(as_strings(batch.column(name)))

    def look(self, batch: Any, records: Ints) -> Mapping[str, Any]:
        """Scan the texts of one batch; returns them, blanked where the schema says so. ``records``: their numbers."""
        numbers = [as_strings(values) for column in self._numbers for values in _spellings(column, batch)]
        self._bare = [bare(values) for values in numbers] if self._kept else []
        names, streets = ([as_strings(batch.column(each)) for each in group] for group in (self.names, self._streets))
        return {name: self._text(name, batch, records, (names, numbers, streets)) for name in self._texts}

    def judge(self, name: str, values: Any) -> None:
        """Take in a column that stays, of the batch that was looked at last."""
        self._density[name].add(values)
        self._copies[name].add(values, self._bare)

    def look_at_all(self, batch: Any, records: Ints) -> None:
        """Scan the texts of one batch and judge what would stay of it."""
        self.look(batch, records)
        for name, column in self._kept.items():
            self.judge(name, kept_values(column, batch.column(column.name)))

    def _text(self, name: str, batch: Any, records: Ints, own: tuple[list[Any], list[Any], list[Any]]) -> Any:
        texts = as_strings(batch.column(name))
        found = scan_text(texts, self._known, *own)
        self._tally.add(name, found, records)
        if name not in self.blanked:
            if self._tell is not None:
                for kind, hit in found.items():
                    self._tell(name, kind, records[hit])
            return texts
        leaking = any_leak(found, len(texts))
        self.blanked[name] += int(leaking.sum())
        self.blanked_rows[name] += records[leaking][: SHOWN_ROWS - len(self.blanked_rows[name])].tolist()
        return pc.if_else(pa.array(leaking), pa.scalar(None, pa.string()), texts)

    def found(self, file: str) -> tuple[Fault, ...]:
        """What was found in the texts, by column and kind."""
        return self._tally.faults(file)

    def refusals(self, file: str) -> tuple[Fault, ...]:
        """Why the delivery does not go on: identifiers stay behind where the schema does not have them blanked."""
        left = [fault for fault in self.found(file) if fault.column not in self.blanked]
        left += [
            Fault(file, f"leak:{kind.value}", kind.description(), name)
            for kind, checks in ((LeakKind.DENSITY, self._density), (LeakKind.COPY, self._copies))
            for name, judged in checks.items()
            if judged.leaks()
        ]
        return tuple(left)


def kept_values(column: ColumnSpec, values: Any) -> Any:
    """What stays of a column: all, or something coarser."""
    if column.treatment.startswith("coarsen:"):
        return coarsening(column.treatment.removeprefix("coarsen:")).apply(values)
    return values


def _spellings(column: ColumnSpec, batch: Any) -> Iterable[Any]:
    """An identifier column; of foreign numbers, which begin with their country, the number alone too."""
    values = batch.column(column.name)
    return (values, pc.replace_substring_regex(values, _COUNTRY, "")) if column.kind == "foreign" else (values,)


class LeavingCheck:
    """The scan beside validation, before anything is written: of the rows that were found sound."""

    def __init__(self, schema: DeliverySchema, tell: Tell | None = None) -> None:
        self._scan = LeavingScan(schema, schema.names, tell)
        self._schema = schema
        self._aside: list[Ints] = []

    def beside(self, divided: Sorted) -> None:
        """Take in a batch as it was divided."""
        if self._scan.names:
            self._scan.learn(divided.accepted)
            self._aside.append(divided.quarantined.column(RECORD).to_numpy())
        else:
            self._look(divided.accepted)

    def afterwards(self, again: Iterable[Batch], tally: Tally, file: str) -> tuple[Fault, ...]:
        """Why the file would not go on; what would be blanked is noted in ``tally``. ``again`` are its batches once
        more, which are read where names had to be learnt first.

        Raises:
            EnclaveError: a library failed on these rows. Its own message is not passed on: it could hold a value.
        """
        if self._scan.names:
            aside = np.concatenate([np.zeros(0, dtype=np.int64), *self._aside])
            for batch in again:
                self._look(self._sound(batch, aside))
        for name, count in self._scan.blanked.items():
            if count:
                tally.notes[name, Note.BLANKED] = count
                tally.shown_notes[name, Note.BLANKED] = self._scan.blanked_rows[name]
        return self._scan.refusals(file)

    def _sound(self, batch: Batch, aside: Ints) -> pa.Table:
        columns = [column for column in self._schema.columns if column.name in self._scan.columns]
        typed = {c.name: convert(c, self._schema, batch.cells.column(c.name)).values for c in columns}
        sound = ~np.isin(batch.rows.to_numpy(zero_copy_only=False), aside)
        return pa.table({RECORD: batch.rows, **typed}).filter(pa.array(sound))

    def _look(self, sound: pa.Table) -> None:
        try:
            self._scan.look_at_all(sound, sound.column(RECORD).to_numpy())
        except (pa.ArrowException, ValueError, TypeError, LookupError, ArithmeticError) as error:
            kind = type(error).__name__
        else:
            return
        # raised outside the handler, so that not even its context leads to the library's message
        raise EnclaveError(f"rows could not be scanned for identifiers ({kind})", where=self._schema.name)
