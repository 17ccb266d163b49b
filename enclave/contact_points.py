"""Phone numbers (Dutch numbering plan, E.164) and e-mail addresses (RFC 5321, as people have them)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.identifier_forms import (
    Bools,
    Checked,
    completed,
    digits_form,
    fixed_width,
    matches,
    null_unless,
    reasons,
    strings_from,
)

# Geographic and mobile numbers have nine figures behind the 0. Behind 06 comes 1 to 5 or 8, the rest are pagers and the
# like; 08 and 09 numbers belong to services, save 084, 085, 087, 088 and 091 (Nummerplan telefoon- en ISDN-diensten).
_DUTCH = r"^\+31(?:6[1-58][0-9]{7}|[1-57][0-9]{8}|8[4578][0-9]{7}|91[0-9]{7})$"
_ANY = r"^\+[1-9][0-9]{7,14}$"
_LOCAL_PART = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = rf"^{_LOCAL_PART}@(?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]{{1,59}})$"
_USUAL_EMAIL = r"^[a-z0-9_-]{1,30}(?:\.[a-z0-9_-]{1,30}){0,1}@(?:[a-z0-9]{1,60}\.){1,2}[a-z]{2,20}$"
_LONGEST_EMAIL, _LONGEST_LOCAL = 254, 64


def check_phones(values: Any) -> Checked:
    """Canonical ``+31612345678``: 0 … becomes +31 …, 00 becomes +; spaces, hyphens, dots and brackets do not count.

    Malformed: no 0, 00 or + with eight to fifteen figures. Failed: no number of a subscriber in the Netherlands.
    """
    rows, written = fixed_width(values, 10)
    mobile = (written[:, 1] == ord("6")) & ((written[:, 2] - np.uint8(49) <= 4) | (written[:, 2] == ord("8")))
    placeless = (written[:, 1] == ord("9")) & (written[:, 2] == ord("1"))
    settled = mobile | placeless | (written[:, 1] - np.uint8(49) <= 4)
    settled &= (written[:, 0] == ord("0")) & digits_form(written)
    good = np.zeros(len(values), dtype=np.bool_)
    good[rows] = settled
    matrix = np.empty((len(values), 12), dtype=np.uint8)
    matrix[:, :3] = np.frombuffer(b"+31", dtype=np.uint8)
    matrix[rows, 3:] = written[:, 1:]
    return completed(strings_from(matrix, good), good, values, _any_phones)


def written_usually(values: Any) -> Bools:
    """Which phone numbers are a nought and nine figures, as people write them."""
    rows, written = fixed_width(values, 10)
    usual = np.zeros(len(values), dtype=np.bool_)
    usual[rows] = digits_form(written) & (written[:, 0] == ord("0"))
    return usual


def _any_phones(values: Any) -> Checked:
    plain = pc.replace_substring_regex(pc.fill_null(values, ""), r"\(0\)|[\s\x{A0}./()-]", "")
    plain = pc.replace_substring_regex(plain, r"^00([1-9])", r"+\1")
    plain = pc.replace_substring_regex(plain, r"^0([1-9])", r"+31\1")
    plain = pc.replace_substring_regex(plain, r"^\+310", "+31")
    formed = matches(plain, _ANY)
    dutch = pc.starts_with(plain, "+31").to_numpy(zero_copy_only=False)
    reason = reasons(values, formed, ~dutch | matches(plain, _DUTCH))
    return Checked(null_unless(plain, reason == 0), pa.array(reason))


def check_emails(values: Any) -> Checked:
    """Canonical: lower case, no outer spaces, no ``mailto:``; quoted or international local parts are malformed."""
    usual = matches(values, _USUAL_EMAIL)
    return completed(values, usual, values, _any_emails)


def _any_emails(values: Any) -> Checked:
    plain = pc.utf8_trim_whitespace(pc.utf8_lower(pc.fill_null(values, "")))
    plain = pc.replace_substring_regex(plain, "^mailto:", "")
    local = pc.fill_null(pc.find_substring(plain, "@"), -1).to_numpy(zero_copy_only=False)
    lengths = pc.binary_length(plain).to_numpy(zero_copy_only=False)
    formed = matches(plain, _EMAIL) & (lengths <= _LONGEST_EMAIL) & (local <= _LONGEST_LOCAL)
    reason = reasons(values, formed, np.ones(len(plain), dtype=np.bool_))
    return Checked(null_unless(plain, reason == 0), pa.array(reason))
