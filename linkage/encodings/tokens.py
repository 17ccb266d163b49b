"""A value → its tokens, and a token → its places in the filter; bit for bit as clkhash does it.

References: Schnell, Bachteler and Reiher (2011), *A novel error-tolerant anonymous linking code*, German Record Linkage
Center WP 2011-02; Vatsalan and Christen (2016), doi:10.1016/j.jbi.2015.12.004 (numbers); clkhash 0.18 (the rest).
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import blake2b

from enclave.errors import EnclaveError
from linkage.encodings.linkage_schema import Comparison, Format, Hash, Strategy

_PLACES_PER_DIGEST = 32  # of 64 bytes, two each


class UnusableValue(EnclaveError):
    """A value that does not fit its format; says which rule it breaks, not what it is."""


def formatted(value: str, how: Format) -> str:
    """The value as it is encoded: whole numbers without sign and zeros, dates as yyyymmdd.

    Raises:
        UnusableValue: it breaks a rule of the format.
    """
    if how.type == "integer":
        return _integer(value, how)
    if how.type == "date":
        try:
            return datetime.strptime(value, how.format or "").strftime("%Y%m%d")
        except ValueError:
            raise UnusableValue("is no date of the schema's form") from None
    if how.type == "enum":
        if value not in how.values:
            raise UnusableValue("is not in the schema's list")
        return value
    return _string(value, how)


def _integer(value: str, how: Format) -> str:
    try:
        number = int(value, 10) if len(value) < 100 else None
    except ValueError:
        number = None
    if number is None:
        raise UnusableValue("is no whole number")
    if (how.minimum is not None and number < how.minimum) or (how.maximum is not None and number > how.maximum):
        raise UnusableValue("lies outside the schema's range")
    return str(number)


def _string(value: str, how: Format) -> str:
    import re

    if how.pattern is not None and not re.fullmatch(how.pattern, value):
        raise UnusableValue("does not match the schema's pattern")
    if len(value) < how.min_length or (how.max_length is not None and len(value) > how.max_length):
        raise UnusableValue("is shorter or longer than the schema allows")
    if (how.case == "lower" and value != value.lower()) or (how.case == "upper" and value != value.upper()):
        raise UnusableValue(f"is not in {how.case} case")
    if how.encoding == "ascii" and not value.isascii():
        raise UnusableValue("holds other characters than ASCII")
    return value


def tokens(value: str, how: Comparison) -> Sequence[str]:
    """The tokens of a formatted value; none of an empty one.

    Raises:
        UnusableValue: a numeric comparison of what is no number.
    """
    if not value:
        return ()
    if how.type == "exact":
        return (value,)
    if how.type == "numeric":
        return _neighbourhood(value, how)
    edge = " " * (how.n - 1)
    padded = f"{edge}{value}{edge}"
    parts = [padded[at : at + how.n] for at in range(len(padded) - how.n + 1)]
    return [f"{at} {part}" for at, part in enumerate(parts, start=1)] if how.positional else parts


def _neighbourhood(value: str, how: Comparison) -> Sequence[str]:
    """Points around a number on a common grid; near numbers share some."""
    scale = 10**how.fractional_precision
    step = round(how.threshold_distance * scale)
    if not step:
        raise UnusableValue("the schema's distance needs a higher precision")
    try:
        exact = int(value) * scale
    except ValueError:
        try:
            exact = round(float(value) * scale) if scale > 1 else int(float(value))
        except (ValueError, OverflowError):
            raise UnusableValue("is no number") from None
    exact *= 2 * how.resolution
    residue = exact % step
    middle = exact if not residue else exact - residue if residue < step / 2 else exact + step - residue
    return [str(middle + at * step) for at in range(-how.resolution, how.resolution + 1)]


def bits_per_token(how: Strategy, count: int) -> Sequence[int]:
    """How many places each of ``count`` tokens gets."""
    if how.bits_per_token is not None:
        return [how.bits_per_token] * count
    each, rest = divmod(how.bits_per_feature or 0, count)
    return [each + 1] * rest + [each] * (count - rest)


Places = Callable[[str, int], Sequence[int]]


def places_of(how: Hash, keys: tuple[bytes, bytes], length: int) -> Places:
    """What gives the places (0 … ``length`` - 1) of a token, so many as asked; with repeats."""
    if how.type == "blakeHash":
        return lambda token, count: _independent(token, count, keys[0], length)
    return lambda token, count: _double(token, count, keys, length, singular=not how.prevent_singularity)


def _independent(token: str, count: int, key: bytes, length: int) -> Sequence[int]:
    places: list[int] = []
    for number in range(-(-count // _PLACES_PER_DIGEST)):
        digest = blake2b(token.encode(), key=key, salt=str(number).encode()).digest()
        places += struct.unpack("<32H", digest)
    return [place % length for place in places[:count]]


def _double(token: str, count: int, keys: tuple[bytes, bytes], length: int, *, singular: bool) -> Sequence[int]:
    message = token.encode()
    first = int.from_bytes(hmac.digest(keys[0], message, "sha1"), "big") % length
    step = int.from_bytes(hmac.digest(keys[1], message, "md5"), "big") % length
    again = 0
    while not step and not singular:  # all places would be one
        step = int.from_bytes(hmac.digest(keys[1], message + chr(again).encode(), "md5"), "big") % length
        again += 1
    return [(first + at * step) % length for at in range(count)]
