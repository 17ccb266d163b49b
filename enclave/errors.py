"""One small hierarchy of errors; every class has an exit code.

An error says what is wrong, where (file, column, row number) and what to do next. It never holds a cell value,
an identifier or a key: callers pass names of columns, checks and counts only, and raise ``from None`` where the
cause could carry a value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong in a file: the check that failed, where, and how often.

    ``rows`` are 1-based record numbers in the supplier's file (at most the first few); ``count`` is how many rows
    fail in all. Neither holds a value from the file.
    """

    file: str
    check: str
    message: str
    column: str = ""
    rows: tuple[int, ...] = ()
    count: int = 1

    def __str__(self) -> str:
        place = printable(self.file) + (f", column {printable(self.column)}" if self.column else "")
        if not self.rows:
            return f"{place}: {self.message}"
        shown = ", ".join(str(row) for row in self.rows)
        more = f" and {self.count - len(self.rows)} more" if self.count > len(self.rows) else ""
        return f"{place}, row {shown}{more}: {self.message}"


def printable(name: str) -> str:
    """A name that others chose, such as a file's, without what moves a terminal's cursor or starts a new line."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in name)


class EnclaveError(Exception):
    """Something Zicht refuses or cannot do; shown to the user without a traceback."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", next_step: str = "") -> None:
        self.what = what
        self.where = where
        self.next_step = next_step
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [f"{printable(self.where)}: {self.what}" if self.where else self.what]
        if self.next_step:
            lines.append(f"Next: {self.next_step}")
        return "\n".join(lines)


class BadInput(EnclaveError):
    """A file or parameter that does not hold what it must hold; lists all faults at once."""

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", next_step: str = "", faults: Iterable[Fault] = ()) -> None:
        self.faults = tuple(faults)
        super().__init__(what, where=where, next_step=next_step)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  - {fault}" for fault in self.faults)])


class CannotProtect(EnclaveError):
    """A table that no suppression pattern makes safe under the policy."""

    exit_code = 3


class Refused(EnclaveError):
    """An output, column, population or purpose that the policy or the project does not cover."""

    exit_code = 4


class NotAllowed(EnclaveError):
    """A person who may not do this: wrong role, own request, expired authorisation."""

    exit_code = 5


class Tampered(EnclaveError):
    """Bytes that differ from what was signed, sealed or journalled."""

    exit_code = 6


class StorageFailed(EnclaveError):
    """The disk is full or refuses to write; what was there before is intact."""

    exit_code = 7


class SandboxViolation(EnclaveError):
    """An analysis that tried to leave its sandbox, or a machine that has no sandbox."""

    exit_code = 8


class KeyUnavailable(EnclaveError):
    """A key that is missing, locked, destroyed, or another one than was used."""

    exit_code = 9


class NotReady(EnclaveError):
    """A step whose earlier step has not been done, or whose inputs have changed since."""

    exit_code = 10


class WrongZone(EnclaveError):
    """A frame of one zone offered where another zone's is wanted."""

    exit_code = 11
