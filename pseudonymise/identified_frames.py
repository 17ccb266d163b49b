"""Where the parts of a delivery lie, and how its two identified frames are written: encrypted, both or neither."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enclave.files import Replacing
from enclave.frames import FrameManifest, FrameSink, manifest_columns, writing_frame
from enclave.zones import Workspace, Zone
from pseudonymise.custody import Custody
from pseudonymise.manifest import Manifest
from pseudonymise.quarantine import RAW, REASONS, RECORD, quarantine_schema
from pseudonymise.schemas import DeliverySchema
from pseudonymise.validation import accepted_schema


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of one delivery lie in the workspace."""

    accepted: Path
    quarantine: Path
    receipt: Path
    returned: Path
    findings: Path

    @classmethod
    def of(cls, manifest: Manifest, workspace: Workspace) -> Places:
        """The places of a delivery; none is named after anything but supplier, schema and period."""
        identified, inbox = workspace.path(Zone.IDENTIFIED), workspace.path(Zone.INBOX)
        name = f"{manifest.schema_name}_{manifest.period}.parquet"
        receipt = f"{manifest.delivery_id}.json"
        return cls(
            identified / manifest.supplier / name,
            identified / "quarantine" / manifest.supplier / name,
            identified / "receipts" / receipt,
            inbox / "receipts" / receipt,
            identified / "findings" / receipt,
        )


@contextlib.contextmanager
def writing_both(
    places: Places,
    schema: DeliverySchema,
    manifest: Manifest,
    *,
    project: str,
    custody: Custody,
    replace: Replacing,
) -> Iterator[tuple[FrameSink, FrameSink]]:
    """Both frames; ``replace``, of :func:`enclave.files.together`, lets none appear when anything fails."""
    identifying = {column.name: "identifier" for column in schema.columns if column.type == "identifier"}
    free_text = {column.name: "text" for column in schema.columns if column.type == "text"}
    sound = accepted_schema(schema)
    aside = quarantine_schema(schema)
    roles = {RECORD: "record", **identifying, **free_text}
    # a value in the wrong column may identify: in quarantine every column counts as doing so
    doubtful = dict.fromkeys((*schema.names, RAW), "identifier") | {RECORD: "record", REASONS: "attribute"}
    until = manifest.retention_date
    with (
        writing_frame(
            places.quarantine,
            _frame_manifest(manifest, project, aside, doubtful),
            aside,
            encryption=custody.encryption(project, until),
            mode=0o400,
            replace=replace,
        ) as quarantine,
        writing_frame(
            places.accepted,
            _frame_manifest(manifest, project, sound, roles),
            sound,
            encryption=custody.encryption(project, until),
            mode=0o400,
            replace=replace,
        ) as accepted,
    ):
        yield accepted, quarantine


def _frame_manifest(manifest: Manifest, project: str, schema: Any, roles: Mapping[str, str]) -> FrameManifest:
    return FrameManifest(
        zone=Zone.IDENTIFIED,
        name=manifest.schema_name,
        project=project,
        columns=manifest_columns(schema, roles),
        made_by="receive",
        parents={"delivery": manifest.file.sha256},
        period=manifest.period,
        retention_date=manifest.retention_date.isoformat(),
    )
