"""Under which id the release ledger knows each unit of a project: written by the custodian, read by the gate alone.

The id is a keyed hash of the register unit under a key that is the same for all projects, so that a person in two
projects is one person in the ledger. The map from project integers to ids is sealed to the gate's public key: it lies
beside the linked data, where the custodian may write and the gate may read, and tells a researcher only its size.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import KeyUnavailable, NotReady, Tampered
from enclave.files import replacing, write_text
from linkage.key_zone import KeyZone
from linkage.units import ASSIGNED, generations
from output_control.ledger.keys import LedgerKeys
from pseudonymise.age_keys import recipient_text, secret_text
from pseudonymise.custody import CMAC, HMAC
from pseudonymise.keyed_hash import hash_values

MAP_FILE = "ledger-units.age"
RECIPIENT = "ledger.pub"
LONGEST_BLOCK = 16
Integers = npt.NDArray[np.int64]


def publish_recipient(keys: LedgerKeys, key_zone: Path) -> None:
    """Put the gate's public half where the custodian finds it."""
    write_text(key_zone / RECIPIENT, recipient_text(_secret(keys)) + "\n", mode=0o644)


def check_recipient(recipient_file: Path) -> None:
    """Raise Tampered unless the gate's public half, where it is there, has the checksum of its form (Bech32)."""
    import pyrage

    try:
        pyrage.x25519.Recipient.from_str(recipient_file.read_text().removesuffix("\n"))
    except FileNotFoundError:
        return
    except (ValueError, pyrage.RecipientError):
        raise Tampered(
            "the public key of the gate's ledger was changed",
            where=f"keys/{RECIPIENT}",
            next_step=f"put it back from the backup of keys/, or from public-keys/{RECIPIENT} if that one is older",
        ) from None


def write_map(zone: KeyZone, ledger_key: bytes, recipient_file: Path, out: Path) -> Path:
    """Seal the ids of all units of a project into ``out``.

    Raises:
        NotReady: the office has no ledger yet.
    """
    import pyrage

    try:
        recipient = pyrage.x25519.Recipient.from_str(recipient_file.read_text().strip())
    except (OSError, ValueError, pyrage.RecipientError):
        raise NotReady("the gate's ledger has no public key here", where=RECIPIENT, next_step="zicht init") from None
    found = zone.reader(generations(zone), ASSIGNED).read_all()
    integers = np.asarray(found.column("integer").to_numpy(), dtype=np.int64)
    order = np.argsort(integers, kind="stable")
    ids = ledger_ids(found.column("unit").combine_chunks(), ledger_key)
    sink = pa.BufferOutputStream()
    table = pa.table({"integer": integers[order], "id": ids[order]})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with replacing(out, mode=0o440) as temporary, temporary.open("wb") as sealed:
        pyrage.encrypt_io(io.BytesIO(sink.getvalue()), sealed, [recipient])
    return out


def ledger_ids(units: pa.StringArray, key: bytes) -> Integers:
    """63 bits of a keyed hash per unit; an unmatched unit, known by a project's own hash, stays in its project."""
    long = np.asarray(pc.greater(pc.binary_length(units), LONGEST_BLOCK).to_numpy(zero_copy_only=False))
    ids = np.zeros(len(units), dtype=np.int64)
    for chosen, algorithm in ((~long, CMAC), (long, HMAC)):
        hashes = hash_values(units.filter(pa.array(chosen)), key, algorithm)
        words = np.frombuffer(hashes.buffers()[1], dtype="<u8", count=2 * len(hashes))[::2]
        ids[chosen] = (words >> np.uint64(1)).astype(np.int64)
    return ids


class UnitMap:
    """The opened map; see :class:`output_control.ledger.rows.LedgerIds`."""

    def __init__(self, integers: Integers, ids: Integers) -> None:
        self._integers, self._ids = integers, ids

    @classmethod
    def open(cls, path: Path, keys: LedgerKeys) -> UnitMap:
        """Open the map that linking sealed.

        Raises:
            NotReady: there is none. KeyUnavailable: it is sealed to another ledger. Tampered: it is not whole.
        """
        import pyrage

        opened = io.BytesIO()
        try:
            sealed = path.read_bytes()
        except OSError:
            raise NotReady(
                "linking has not told the ledger its units", where=MAP_FILE, next_step="zicht link"
            ) from None
        try:
            pyrage.decrypt_io(io.BytesIO(sealed), opened, [pyrage.x25519.Identity.from_str(_secret(keys))])
            with pa.ipc.open_stream(pa.BufferReader(opened.getvalue())) as reader:
                table = reader.read_all()
        except (pyrage.DecryptError, OSError, pa.ArrowException) as error:
            kind = KeyUnavailable if "No matching keys" in str(error) else Tampered
            raise kind("the units of the ledger do not open", where=MAP_FILE, next_step="zicht link --again") from None
        columns = (np.asarray(table.column(name).to_numpy(), dtype=np.int64) for name in ("integer", "id"))
        return cls(*columns)

    def ids(self, integers: Integers) -> Integers:
        """The ledger ids.

        Raises:
            NotReady: a unit that linking did not know.
        """
        at = np.minimum(np.searchsorted(self._integers, integers), max(len(self._integers) - 1, 0))
        unknown = int((self._integers[at] != integers).sum()) if len(self._integers) else len(integers)
        if unknown:
            raise NotReady(
                f"{unknown} row(s) have a unit that the ledger does not know", where=MAP_FILE, next_step="zicht link"
            )
        return self._ids[at]


def _secret(keys: LedgerKeys) -> str:
    return secret_text(keys.derived("unit map identity"))
