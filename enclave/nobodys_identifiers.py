"""Identifiers that are nobody's: published examples, ranges reserved for tests, and ways to write "unknown".

A hundred records that bear the number of a form's example would be linked to one another, and to a stranger if the
number was ever given out.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from enclave.identifier_forms import Bools, Reason, byte_view, matches

EXAMPLES = {
    # the numbers that manuals, forms and libraries show
    "bsn": ["111222333", "123456782", "012345672", "987654329"],
    "rsin": ["111222333", "123456782", "012345672", "987654329"],
    "kvk": ["12345678", "11111111", "87654321"],
    "establishment": ["123456789012", "000012345678", "111111111111"],
    "iban": [
        "NL91ABNA0417164300",  # ISO 13616 registry
        "NL02ABNA0123456789",
        "NL20INGB0001234567",
        "NL44RABO0123456789",
        "BE68539007547034",
        "DE89370400440532013000",
        "GB29NWBK60161331926819",
        "GB82WEST12345698765432",
        "FR1420041010050500013M02606",
    ],
    "phone": ["+31612345678", "+31101234567", "+31201234567", "+31123456789"],
    "email": ["test@test.nl", "test@test.com", "info@example.com", "naam@voorbeeld.nl", "a@b.nl"],
}

TEST_RANGES = {
    "bsn": "^9999",  # reserved for tests with the population register
    "rsin": "^9999",
    "kvk": "^09",  # no chamber ever issued them
    "establishment": "^0000(?:09|00)",
    "bag": "^9[0-9]{3}",  # municipality codes above 2000 do not exist
    "email": r"(?:^|[@.])(?:example\.(?:com|net|org)|test|example|invalid|localhost)$",  # RFC 2606
}
"""Regular expressions on canonical identifiers. The invented country draws its numbers from these ranges first."""

_WORDS = (
    r"(?i)^\s*(?:onbekend|onb\.?|unknown|unk\.?|niet bekend|n\.? ?v\.? ?t\.?|n/a|n\.a\.|geen|none|null|nihil|leeg|tbd"
    r"|[-?.*/x]{1,6})\s*$"
)
_NINES = {"bsn": 8, "rsin": 8, "kvk": 8, "establishment": 12, "bag": 16, "phone": 9}
"""Kinds of figures only: so many nines, or more, say unknown (no such number passes for a person's)."""


def is_example(kind: str, canonical: Any) -> Bools:
    """Which canonical values are a well-known example; null is none."""
    found = np.zeros(len(canonical), dtype=np.bool_)
    starts, lengths, data = byte_view(canonical)
    if kind not in EXAMPLES or len(data) < 2:
        return found
    # a cheap look first: few values end as an example does
    last = np.maximum(starts + lengths - 1, 1)
    tails = np.zeros((len(last), 2), dtype=np.uint8)
    tails[:, 0], tails[:, 1] = data[last - 1], data[last]
    likely = np.flatnonzero(_endings(kind)[tails.view("<u2").ravel()])
    if likely.size:
        examples = pa.array(EXAMPLES[kind])
        found[likely] = pc.is_in(canonical.take(pa.array(likely)), examples).to_numpy(zero_copy_only=False)
    return found


@functools.cache
def _endings(kind: str) -> Bools:
    """Whether two bytes, as they stand in a word, are the last of an example."""
    flags = np.zeros(1 << 16, dtype=np.bool_)
    flags[[int.from_bytes(value[-2:].encode(), "little") for value in EXAMPLES[kind]]] = True
    return flags


def says_unknown(kind: str, texts: Any, reason: NDArray[np.int8]) -> Bools:
    """Which values say that the identifier is not known; looked for among the unusable ones, and among nines."""
    unknown = np.zeros(len(texts), dtype=np.bool_)
    starts, lengths, data = byte_view(texts)
    odd = np.flatnonzero((reason == Reason.MALFORMED) | ((reason == Reason.OK) if kind == "own_number" else False))
    if odd.size:
        # cheap looks first: no such word ends in a figure, and few values start with 99
        odd = odd[data[starts[odd] + lengths[odd] - 1] - np.uint8(48) > 9]
        unknown[odd] = matches(texts.take(pa.array(odd)), _WORDS)
    if kind in _NINES:
        likely = np.flatnonzero(lengths >= _NINES[kind])
        for place in (0, 1):
            likely = likely[data[starts[likely] + place] == ord("9")]
        if likely.size:
            unknown[likely] |= matches(texts.take(pa.array(likely)), rf"^9{{{_NINES[kind]},}}\s*$")
    return unknown
