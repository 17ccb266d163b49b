"""Frames of an earlier key version under a new one, without any identifier: every hash is hashed again.

And, where an identified frame is at hand while both keys exist: which carried hash and which new hash are of one
identifier, so that units that the register does not know keep their number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from enclave.errors import Refused, Tampered
from enclave.frames import Frame, open_frame, streamed, writing_frame
from enclave.identifiers import check
from enclave.zones import Identified, Pseudonymised
from pseudonymise.custody import CMAC, Custody
from pseudonymise.identifier_hashing import IdentifierHasher
from pseudonymise.keyed_hash import HashSpec
from pseudonymise.schemas import DeliverySchema

BATCH_ROWS = 64 * 1024
_SPEC = re.compile(r"[a-z0-9-]+;v(?P<version>\d+);")


def carried_spec(custody: Custody, project: str, version: int) -> HashSpec:
    """What manifests say of hashes that were carried over to ``version``."""
    return HashSpec(CMAC, custody.hash_again_id(project, version), version)


def version_of(frame: Frame[Pseudonymised]) -> int:
    """The key version of a frame's hashes, by its manifest; 1 where it has none.

    Raises:
        Tampered: its columns are under different versions.
    """
    found = {int(spec["version"]) for text in frame.manifest.key_ids.values() if (spec := _SPEC.match(text))}
    if len(found) > 1:
        raise Tampered(f"frame {frame.manifest.name} is under several key versions")
    return found.pop() if found else 1


def rekey(
    frame: Frame[Pseudonymised],
    *,
    custody: Custody,
    project: str,
    version: int,
    out: Path,
    encryption: Any = None,
    decryption: Any = None,
) -> Frame[Pseudonymised]:
    """Write the frame to ``out`` with every hash carried over to ``version``; all else stays as it is.

    Raises:
        Refused: another project's frame, or not of the version before.
        KeyUnavailable, Tampered: a key is gone, or the frame cannot be read under it.
    """
    if frame.manifest.project != project or version_of(frame) != version - 1:
        raise Refused(
            f"frame {frame.manifest.name} is not of this project and key version {version - 1}",
            next_step="pseudonymise the delivery under the present version",
        )
    key = custody.hash_again_with(project, version)
    spec = carried_spec(custody, project, version).text()
    hashed = {column.name for column in frame.manifest.columns if column.role.startswith("key:")}
    manifest = frame.manifest.model_copy(
        update={
            "made_by": f"{frame.manifest.made_by}, carried to v{version}",
            "parents": frame.manifest.parents or {frame.manifest.name: frame.digest()},
            "key_ids": dict.fromkeys(frame.manifest.key_ids, spec),
        }
    )
    try:
        with streamed(frame.path, decryption=decryption) as file:
            schema = file.schema_arrow.remove_metadata()
            with writing_frame(out, manifest, schema, encryption=encryption) as sink:
                for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                    columns = [
                        key.hash_again(column) if name in hashed else column
                        for name, column in zip(schema.names, batch.columns, strict=True)
                    ]
                    sink.write(pa.RecordBatch.from_arrays(columns, schema=schema))
    except pa.ArrowException:
        raise Tampered(
            f"{frame.path.name} is not a whole frame, or not under this key", next_step="restore it from its backup"
        ) from None
    return open_frame(out, Pseudonymised, decryption=None if encryption is None else custody.decryption())


def bridging_pairs(
    frame: Frame[Identified], *, schema: DeliverySchema, custody: Custody, project: str, version: int
) -> Iterator[tuple[Any, Any]]:
    """(carried hash, new hash) of the identifiers of a frame, column by column; null where unusable.

    Raises:
        KeyUnavailable: the version before was destroyed; Tampered: the frame cannot be read.
    """
    old = IdentifierHasher(project, custody, version=version - 1)
    new = IdentifierHasher(project, custody, version=version)
    again = custody.hash_again_with(project, version)
    hashed = [column for column in schema.columns if column.treatment == "hash"]
    with streamed(frame.path, decryption=custody.decryption()) as file:
        present = [column for column in hashed if column.name in file.schema_arrow.names]
        names = [column.name for column in present]
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=names, use_threads=False):
            for column in present:
                checked = check(str(column.kind), batch.column(column.name))
                kind = str(column.kind)
                yield again.hash_again(old.hash(kind, checked)), new.hash(kind, checked)
