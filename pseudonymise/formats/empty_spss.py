"""An SPSS system file with variables and no cases, written from its published layout.

Layout: PSPP developers, "System File Format", https://www.gnu.org/software/pspp/pspp-dev/html_node/System-File-Format.html.
The library that reads our deliveries writes such files from data frames only, and no data frame library is installed
at a supplier's.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_STRING, _FIXED = 1, 5
MOST_BYTES = 255


@dataclass(frozen=True, slots=True)
class Variable:
    """``width``: bytes of a string variable (1–255), 0 for a numeric one with ``decimals``; ``codes``: value labels."""

    name: str
    label: str
    width: int = 0
    decimals: int = 0
    codes: Mapping[str, str] = field(default_factory=dict)

    @property
    def slots(self) -> int:
        """Units of 8 bytes that a value takes."""
        return max(1, -(-self.width // 8))


def empty_system_file(variables: Sequence[Variable], label: str) -> bytes:
    """The whole file. Texts are UTF-8; value labels are kept for numbers and for strings of at most 8 bytes."""
    parts = [_header(sum(variable.slots for variable in variables), label)]
    parts += [_variable(variable, f"V{place:05d}") for place, variable in enumerate(variables, start=1)]
    index = 1
    for variable in variables:
        if variable.codes and variable.width <= 8:
            parts.append(_value_labels(variable, index))
        index += variable.slots
    # version, machine, floating point IEEE, compression, little-endian, UTF-8
    parts.append(_extension(3, 4, struct.pack("<8i", 1, 0, 0, -1, 1, 1, 2, 65001)))
    parts.append(_extension(4, 8, struct.pack("<3d", *_special_numbers())))
    names = "\t".join(f"V{place:05d}={variable.name}" for place, variable in enumerate(variables, start=1))
    parts.append(_extension(13, 1, names.encode()))
    parts.append(_extension(20, 1, b"UTF-8"))
    parts.append(struct.pack("<2i", 999, 0))
    return b"".join(parts)


def _special_numbers() -> tuple[float, float, float]:
    """System-missing, highest and lowest."""
    largest = float.fromhex("0x1.fffffffffffffp+1023")
    return -largest, largest, float.fromhex("-0x1.ffffffffffffep+1023")


def _header(slots: int, label: str) -> bytes:
    product = b"@(#) SPSS DATA FILE zicht".ljust(60)
    counts = struct.pack("<5id", 2, slots, 0, 0, 0, 100.0)  # no compression, no weight, no cases; bias 100
    made = b"01 Jan 26" + b"00:00:00"  # not the clock: the same schema gives the same bytes
    return b"$FL2" + product + counts + made + _text(label, 64).ljust(64) + bytes(3)


def _variable(variable: Variable, short: str) -> bytes:
    kind = _STRING if variable.width else _FIXED
    shown = kind << 16 | (variable.width or 12) << 8 | variable.decimals
    label = _text(variable.label, MOST_BYTES)
    record = struct.pack("<6i", 2, variable.width, 1, 0, shown, shown) + short.encode().ljust(8)
    record += struct.pack("<i", len(label)) + label.ljust(-(-len(label) // 4) * 4)
    rest = struct.pack("<6i", 2, -1, 0, 0, 0, 0) + b" " * 8
    return record + rest * (variable.slots - 1)


def _value_labels(variable: Variable, index: int) -> bytes:
    record = struct.pack("<2i", 3, len(variable.codes))
    for code, meaning in variable.codes.items():
        label = _text(meaning, 120)
        value = code.encode().ljust(8) if variable.width else struct.pack("<d", float(code))
        size = 1 + len(label)
        record += value + bytes([len(label)]) + label.ljust(-(-size // 8) * 8 - 1)
    return record + struct.pack("<3i", 4, 1, index)


def _extension(subtype: int, size: int, content: bytes) -> bytes:
    return struct.pack("<4i", 7, subtype, size, len(content) // size) + content


def _text(text: str, most: int) -> bytes:
    """UTF-8, cut between characters."""
    return text.encode()[:most].decode(errors="ignore").encode()
