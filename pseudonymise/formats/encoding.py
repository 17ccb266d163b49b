"""Which encoding a text file is in, found from all of its bytes and confirmed against the schema.

Text of any length in cp1252 with accented letters is practically never valid UTF-8, so valid UTF-8 beyond ASCII means
UTF-8 (RFC 3629, section 1). Plain ASCII is the same text in both.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from enclave.errors import Fault
from pseudonymise.formats.batch import Note, Remark

_CP1252_UNDEFINED = frozenset(bytes([code]) for code in (0x81, 0x8D, 0x8F, 0x90, 0x9D))
_BOM_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MARKS = {b"PK\x03\x04": "xlsx", b"\xd0\xcf\x11\xe0": "xls", b"$FL2": "sav", b"$FL3": "sav"}
"""How files of other programs begin."""


class EncodingSurvey:
    """Takes a file's blocks in order; afterwards says what they can be."""

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
        self._start = b""
        self._ascii = True
        self._nul = False
        self._undefined = False

    def feed(self, block: bytes) -> None:
        """Look at the next block."""
        if len(self._start) < 4:
            self._start += block[:4]
        self._nul = self._nul or b"\0" in block
        if not block.isascii():
            self._ascii = False
            self._undefined = self._undefined or any(code in block for code in _CP1252_UNDEFINED)
        if self._decoder is not None:
            self._try_utf8(block)

    def _try_utf8(self, block: bytes, *, final: bool = False) -> None:
        try:
            if self._decoder is not None:
                self._decoder.decode(block, final)
        except UnicodeDecodeError:
            self._decoder = None

    def detected(self) -> str:
        """``ascii``, ``utf-8``, ``utf-8-sig``, ``cp1252``, ``utf-16``, ``unknown``; of what holds zero bytes ``xlsx``,
        ``xls``, ``sav`` or ``binary``."""
        self._try_utf8(b"", final=True)
        if self._start.startswith(_BOM_UTF16):
            return "utf-16"
        if self._nul:
            return _MARKS.get(self._start[:4], "binary")
        if self._decoder is not None:
            if self._start.startswith(codecs.BOM_UTF8):
                return "utf-8-sig"
            return "ascii" if self._ascii else "utf-8"
        return "unknown" if self._undefined else "cp1252"


_SHOWN = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with byte order mark",
    "utf-16": "UTF-16",
    "cp1252": "cp1252 (Western European)",
    "binary": "no text: it holds zero bytes",
    "unknown": "neither UTF-8 nor cp1252",
}
_SAVED = {
    "utf-8-sig": "in Excel save it as CSV UTF-8, in an editor as UTF-8 with BOM",
    "utf-8": "in an editor save it as UTF-8",
    "cp1252": "in Excel save it as CSV (not CSV UTF-8), in an editor as ANSI",
}
_NAMED = {"xlsx": "an Excel file", "xls": "an old Excel file, or one with a password", "sav": "an SPSS file"}
NO_TEXT = frozenset({"utf-16", "binary", *_NAMED})


def confirm(
    detected: str, accepted: tuple[str, ...], file: str, *, forms: Sequence[str] = ("csv",)
) -> tuple[str, tuple[Remark, ...], tuple[Fault, ...]]:
    """The encoding to read with, remarks, and a fault when what was found is not what the schema accepts.

    ``forms``: in which the schema takes the file.
    """
    if detected == "ascii":
        return accepted[0].removesuffix("-sig"), (), ()
    if detected in accepted:
        marked = (Remark(Note.BYTE_ORDER_MARK),) if detected == "utf-8-sig" else ()
        return detected, marked, ()
    if detected in _NAMED:
        return detected, (), (Fault(file, "other_format", _other_format(detected, forms)),)
    wanted = " or ".join(_SHOWN[name] for name in accepted)
    saved = next(how for name, how in _SAVED.items() if name in accepted)
    message = f"the file is in the wrong encoding: found {_SHOWN[detected]}, the schema asks for {wanted}: {saved}"
    return detected, (), (Fault(file, "encoding", message),)


def _other_format(detected: str, forms: Sequence[str]) -> str:
    found = _NAMED[detected]
    if detected in forms:
        return f"this is {found}, not a text file: let its name end in .{detected}"
    form = "xlsx" if detected == "xls" and "xlsx" in forms else "csv"
    return f"this is {found}, not a text file: save it as .{form}, without a password"
