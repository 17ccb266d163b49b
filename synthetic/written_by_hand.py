"""Firms and addresses as clerks write them where they know no RSIN, KvK or BAG number (planted in deliveries)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthetic.calendar_days import Texts, glue
from synthetic.misspelt_persons import misspelt
from synthetic.randomness import Bools, Floats

NO_FIRM_NUMBER, NO_BAG_NUMBER = 0.04, 0.15
"""Shares of firms, and of cleared homes, that are delivered without their number."""
_BY_TRADE_NAME, _TYPED_WRONG, _WITHOUT_ADDRESS = 0.25, 0.05, 0.08
_OTHER_POSTCODE = 0.03


def firm_names(names: Any, trade_names: Any, written: Bools, u: Floats) -> Any:
    """``names``, in the rows ``written`` by hand: a trade name, another spelling of the legal form, a typing error.

    ``u``: uniform numbers of shape (rows, 5).
    """
    has_one = np.asarray(pc.not_equal(trade_names, "").to_numpy(zero_copy_only=False))
    said = pc.if_else(pa.array(has_one & (u[:, 0] < _BY_TRADE_NAME)), trade_names, names)
    shorter = pc.replace_substring(pc.replace_substring(said, "B.V.", "BV"), "V.O.F.", "vof")
    behind = pc.replace_substring_regex(said, "^Stichting (.*)$", r"\1, stichting")
    spelt = pc.if_else(pa.array(u[:, 1] < 0.3), pc.if_else(pc.starts_with(said, "Stichting"), behind, shorter), said)
    spelt = pc.if_else(pa.array(u[:, 1] > 0.9), pc.utf8_upper(spelt), spelt)
    return pc.if_else(pa.array(written), misspelt(spelt, u[:, 2] < _TYPED_WRONG, u[:, 3:5]), names)


def without_address(written: Bools, u: Floats) -> Bools:
    """Which of the rows ``written`` by hand say no address either."""
    gone: Bools = written & (u < _WITHOUT_ADDRESS)
    return gone


def home_addresses(address: dict[str, Texts], written: Bools, u: Floats) -> dict[str, Texts]:
    """``address``, in the rows ``written`` by hand with the addition behind the number, some with a wrong postcode."""
    number, addition, postcode = address["house_number"], address["addition"], address["postcode"]
    behind = np.where(addition == b"", number, glue(number, b"-", addition))
    wrong = glue(
        postcode.astype("S5"), np.where(postcode.astype("S6") == glue(postcode.astype("S5"), b"Z"), b"X", b"Z")
    )
    return {
        "postcode": np.where(written & (u < _OTHER_POSTCODE), wrong, postcode),
        "house_number": np.where(written, behind, number),
        "addition": np.where(written, np.bytes_(b""), addition),
    }
