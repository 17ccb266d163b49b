"""What a JSON file says, whoever reads it: every key, text and number, decoded, as texts in which to look.

An escape in JSON hides a character from whoever looks at the bytes, a repeated key hides a value from most readers, and
a number is no text: so each is looked at as it is read.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

import pyarrow as pa

from output_control.leaving.text import in_lines, texts_that_hide, without_halves

MOST_NUMBERS_IN_A_LIST = 100
MOST_NUMBERS, MOST_ALIKE, MOST_SAID = 200, 200, 2000
"""Numbers, objects of the same keys, and values in all that a file of the gate may hold, digests apart."""
PER_FILE = (1, 4, 16)
"""As many of them does a crate hold more for each file that it describes."""
BY_HAND = (100, 100, 500)
"""The same for a file that leaves by hand: a person reads it."""
_BOUNDS = {False: (MOST_NUMBERS, MOST_ALIKE, MOST_SAID), True: BY_HAND}
LONG = 8
"""Figures of a whole number from which it may be an identifier; a KvK number has no check of its own."""
ROUND = 4
"""The most significant figures that the gate gives an estimate: so few, and noughts, single out nobody."""
MOST_PEOPLE = 20_000_000
_COUNTS = ("records", "units", "events", "clusters")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NUMERIC = re.compile(r"\s*[-+]?[0-9]+(?:[.,][0-9]+)?(?:[eE][-+]?[0-9]+)?\s*")
_LONGEST = 40  # no number of the gate has more figures before its point, or noughts behind it


class _Number(str):
    """A number as it is written, not as a machine's arithmetic would round it."""

    __slots__ = ()


@dataclass(slots=True)
class SaidInJson:
    """``texts``: all keys and texts, and fractions by their figures; ``faults``: what is wrong at first sight."""

    texts: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_json(text: str, *, by_hand: bool = False, described: int = 0) -> SaidInJson:
    """Everything that ``text`` says; a fault when it is no JSON, hides something, or holds a long number or listing.

    ``by_hand``: a file that the gate did not make. It is bound more tightly, and what stands beside each other in it is
    also read on, as the fields of a row are: evidence says two numbers beside each other that mean nothing together.
    """
    repeated = 0

    def held(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal repeated
        made = dict(pairs)
        repeated += len(pairs) - len(made)
        return made

    said = SaidInJson()
    try:
        read = json.loads(
            text, object_pairs_hook=held, parse_int=_Number, parse_float=_Number, parse_constant=_no_number
        )
        most = [bound + described * each for bound, each in zip(_BOUNDS[by_hand], PER_FILE, strict=True)]
        numbers = list(_collect(read if by_hand else _without_counts(read), said, most, by_hand=by_hand))
        long = sum(_is_long(number) for number in numbers)
    except (ValueError, RecursionError, InvalidOperation):
        return SaidInJson(faults=["is not readable as JSON"])
    if repeated:
        said.faults.append(f"repeats {repeated} key(s) within an object: most readers see the last value only")
    if long:
        said.faults.append(f"holds {long} number(s) of eight figures or more, as identifiers are")
    whole = without_halves(said.texts)
    hidden = len(said.texts) - len(whole) + texts_that_hide(pa.array(whole, pa.string()))
    if hidden:
        said.faults.append(f"holds characters that are not shown, in {hidden} text(s)")
    said.texts = whole
    said.texts += [figures_of_fraction(number) for number in numbers]
    return said


def _no_number(_: str) -> None:
    raise ValueError


def _collect(read: object, said: SaidInJson, most: Sequence[int], *, by_hand: bool) -> Iterator[_Number]:
    """All numbers; texts and listings go to ``said``."""
    longest = numbers = values = 0
    alike: Counter[frozenset[str]] = Counter()
    stack: list[tuple[str, object]] = [("", read)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, _Number):
            numbers += 1
            yield value
        elif isinstance(value, str):
            numbers += _NUMERIC.fullmatch(value) is not None
            said.texts.append(in_lines(value))
        elif isinstance(value, dict):
            alike[frozenset(value)] += len(value) > 0
            said.texts += map(in_lines, value)
            said.texts += [f"{path},{key}" for key in map(in_lines, value) if by_hand and path]
            stack += [(in_lines(key), each) for key, each in value.items()]
            said.texts += _read_on(value.values()) if by_hand else []
        elif isinstance(value, list):
            longest = max(longest, sum(isinstance(item, _Number) for item in value))
            stack += [(path, each) for each in value]
            said.texts += _read_on(value) if by_hand else []
        values += not isinstance(value, (dict, list)) and not (isinstance(value, str) and _DIGEST.fullmatch(value))
    said.faults += _listings(longest, (numbers, max(alike.values(), default=0), values), most)


def _read_on(values: Iterable[object]) -> list[str]:
    """What stands beside each other, as the fields of a row do."""
    beside = [in_lines(value) for value in values if isinstance(value, str)]
    return [",".join(beside)] if len(beside) > 1 else []


def _listings(longest: int, held: Sequence[int], most: Sequence[int]) -> list[str]:
    """The fault of a file that holds more than what it is for."""
    if longest > MOST_NUMBERS_IN_A_LIST:
        return [f"lists more than {MOST_NUMBERS_IN_A_LIST} numbers: records are not listed in evidence or metadata"]
    said = zip(held, most, ("numbers", "objects of the same keys", "values"), strict=True)
    found = [f"holds more than {bound} {what}: records are not listed" for count, bound, what in said if count > bound]
    return found[:1]


def _without_counts(read: object) -> object:
    """What is left without a model's counts that are rounded to what the evidence says: a whole country's have eight
    figures, and none has more people than that."""
    model = read.get("model") if isinstance(read, Mapping) else None
    base = model.get("rounded_to") if isinstance(model, Mapping) else None
    if not (isinstance(read, dict) and isinstance(model, dict) and base in ("5", "10", "50", "100")):
        return read
    rounded = {name for name in _COUNTS if _is_multiple(model.get(name), int(str(base)))}
    return {**read, "model": {name: value for name, value in model.items() if name not in rounded}}


def _is_multiple(count: object, base: int) -> bool:
    return isinstance(count, _Number) and count.isdigit() and int(count) <= MOST_PEOPLE and int(count) % base == 0


def _is_long(number: _Number) -> bool:
    """Whether it is a whole number of eight figures or more that is not round."""
    significant, scale = _parts(number)
    return scale >= 0 and len(significant) + scale >= LONG and len(significant) > ROUND


def figures_of_fraction(number: str) -> str:
    """The figures of a fraction, however its point stands; empty for a whole number."""
    significant, scale = _parts(number)
    return significant if scale < 0 else ""


def _parts(number: str) -> tuple[str, int]:
    """Significant figures, and the power of ten that they are multiplied by."""
    _, digits, exponent = Decimal(number).as_tuple()
    figures = "".join(map(str, digits)).lstrip("0")
    significant = figures.rstrip("0")
    scale = int(exponent) + len(figures) - len(significant) if significant else 0
    if scale > _LONGEST:
        raise ValueError
    return significant, scale
