"""Identifiers that are nobody's: published examples, ranges reserved for tests, and ways to write "unknown".

A hundred records that bear the number of a form's example would be linked to one another, and to a stranger if the
number was ever given out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from enclave.identifier_forms import Bools, Reason, matches

EXAMPLES = {
    kind: pa.array(values)
    for kind, values in {
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
    }.items()
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


def says_unknown(kind: str, texts: Any, reason: NDArray[np.int8]) -> Bools:
    """Which values say that the identifier is not known; looked for among the unusable ones, and among nines."""
    unknown = np.zeros(len(texts), dtype=np.bool_)
    odd = np.flatnonzero((reason == Reason.MALFORMED) | ((reason == Reason.OK) if kind == "own_number" else False))
    if odd.size:
        unknown[odd] = matches(texts.take(pa.array(odd)), _WORDS)
    if kind in _NINES:
        # a cheap look first: few values start with 99
        likely = np.flatnonzero(pc.fill_null(pc.starts_with(texts, "99"), False).to_numpy(zero_copy_only=False))
        if likely.size:
            unknown[likely] |= matches(texts.take(pa.array(likely)), rf"^9{{{_NINES[kind]},}}\s*$")
    return unknown
