"""The parts of a ZIP archive that holds nothing else: no byte before, between or behind them, and no comment.

Read by its own few lines, since a library passes over whatever it need not read.
"""

from __future__ import annotations

import struct
import zlib

MOST_UNFOLDED = 10_000_000
_END = struct.Struct("<4s4H2LH")
_LISTED = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_DEFLATED = 8
_HARMLESS_FLAGS = 0x0806  # how hard it was folded, and names in UTF-8

_MODES = {0, *(mode << 16 for mode in (0o600, 0o644, 0o100600, 0o100644))}


class Unreadable(Exception):
    """It is no ZIP archive, or is cut off."""


class Beside(Exception):
    """It holds something beside its parts, or writes them as no spreadsheet program does."""


class TooLarge(Exception):
    """Its parts unfold to more than :data:`MOST_UNFOLDED` bytes."""


def parts_of(content: bytes) -> dict[str, bytes]:
    """Every part by its name, where the archive consists of them (APPNOTE.TXT 6.3.10, 4.3) and of nothing else.

    Raises:
        Unreadable, Beside, TooLarge: as they say.
    """
    try:
        return _parts_of(content)
    except (struct.error, zlib.error, UnicodeDecodeError):
        raise Unreadable from None


def _parts_of(content: bytes) -> dict[str, bytes]:
    mark, disk, other, here, number, size, begin, comment = _END.unpack(content[-_END.size :])
    if mark != b"PK\x05\x06":
        raise Beside if b"PK\x05\x06" in content else Unreadable
    if (disk, other, comment) != (0, 0, 0) or here != number or begin + size + _END.size != len(content):
        raise Beside
    parts: dict[str, bytes] = {}
    at = place = left = 0
    for _ in range(number):
        listed = _LISTED.unpack_from(content, begin + at)
        named, extra, said, started, marked, mode, offset = listed[10:]
        name = content[begin + at + _LISTED.size :][:named].decode("ascii")
        at += _LISTED.size + named
        local = _LOCAL.unpack_from(content, place)
        if (
            (listed[0], local[0]) != (b"PK\x01\x02", b"PK\x03\x04")
            or listed[2:10] != local[1:9]
            or local[9:] != (named, 0)
            or content[place + _LOCAL.size :][:named] != name.encode()
            or (extra, said, started, offset) != (0, 0, 0, place)
            or marked > 1
            or mode not in _MODES
            or listed[3] & ~_HARMLESS_FLAGS
            or name in parts
        ):
            raise Beside
        folded, whole = listed[8:10]
        left += whole
        if left > MOST_UNFOLDED:
            raise TooLarge
        place += _LOCAL.size + named
        parts[name] = _unfolded(content[place : place + folded], whole, listed[4])
        place += folded
        if zlib.crc32(parts[name]) != listed[7]:
            raise Unreadable
    if place != begin or at != size:
        raise Beside
    return parts


def _unfolded(folded: bytes, size: int, method: int) -> bytes:
    if method == _DEFLATED:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        whole = stream.decompress(folded, size + 1)
        if len(whole) != size:
            raise Unreadable
        whole += stream.flush()
        if not stream.eof or stream.unused_data:
            raise Beside
    elif method == 0:
        whole = folded
    else:
        raise Beside
    if len(whole) != size:
        raise Unreadable
    return whole
