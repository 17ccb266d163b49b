"""Invented identified deliveries for the tests: valid identifiers, names that are nobody's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from enclave.frames import Frame, FrameManifest, manifest_columns, open_frame, writing_frame
from enclave.zones import Identified, Zone
from pseudonymise.custody import Custody
from pseudonymise.schemas import ColumnSpec, DeliverySchema

PROJECT = "demo"
WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, -1)


def bsns(count: int, start: int = 99_900_001) -> list[str]:
    """Numbers with nine digits that pass the eleven-test, the lower ones with a leading zero."""
    found: list[str] = []
    number = start
    while len(found) < count:
        text = f"{number:09d}"
        if sum(w * int(d) for w, d in zip(WEIGHTS, text, strict=True)) % 11 == 0:
            found.append(text)
        number += 1
    return found


def column(name: str, kind: str, treatment: str, **more: Any) -> ColumnSpec:
    typed = (
        {"type": "identifier", "kind": kind} if kind not in ("text", "integer", "decimal", "date") else {"type": kind}
    )
    fields = {"meaning_nl": "voorbeeld", "meaning_en": "example", "example": "x", "nullable": True, **typed, **more}
    return ColumnSpec(name=name, treatment=treatment, **fields)


def schema(*extra: ColumnSpec, text: str = "text-scan") -> DeliverySchema:
    columns = (
        column("bsn", "bsn", "hash"),
        column("bag_id", "bag", "hash"),
        column("kvk", "kvk", "hash"),
        column("dossier", "own_number", "hash"),
        column("surname", "name", "drop"),
        column("first_name", "name", "drop"),
        column("postcode", "postcode", "coarsen:pc4"),
        column("house_number", "house_number", "drop"),
        column("birth_date", "birth_date", "coarsen:year"),
        column("amount", "decimal", "keep"),
        column("remark", "text", text),
    )
    return DeliverySchema(
        name="invented", version=3, title_nl="x", title_en="x", format="csv", keys=("bsn",), columns=(*columns, *extra)
    )


def table(rows: int, seed: int = 1) -> pa.Table:
    """A clean delivery; surnames and first names are distinct per row, remarks hold none of them."""
    rng = np.random.default_rng(seed)
    numbers = bsns(min(rows, 400))
    letters = np.array(list("bcdfghklmnprstvw"))
    tails = ["".join(letters[[n // 256 % 16, n // 16 % 16, n % 16]]) for n in range(rows)]
    return pa.table(
        {
            "bsn": pa.array([numbers[n % len(numbers)] for n in range(rows)]),
            "bag_id": pa.array([f"900101{n:010d}" for n in range(1, rows + 1)]),
            "kvk": pa.array([f"09{n:06d}" if n % 3 else None for n in range(rows)], pa.string()),
            "dossier": pa.array([f"HD-{n:05d}" for n in range(rows)]),
            "surname": pa.array([f"Qüa{tail}sma" for tail in tails]),
            "first_name": pa.array([f"Zo{tail}a" for tail in tails]),
            "postcode": pa.array([f"{1000 + n % 9000}AB" for n in range(rows)]),
            "house_number": pa.array([str(n % 90 + 1) for n in range(rows)]),
            "birth_date": pa.array([f"{1940 + n % 60}0615" for n in range(rows)]),
            "amount": pa.array(rng.integers(1, 10**6, rows) / 100),
            "remark": pa.array(["kelder; stroom afgetapt" if n % 2 else None for n in range(rows)], pa.string()),
            "record": pa.array(np.arange(rows) + 2),
        }
    )


def identified(
    path: Path, content: pa.Table, *, project: str = PROJECT, encryption: Any = None, custody: Custody | None = None
) -> Frame[Identified]:
    manifest = FrameManifest(
        zone=Zone.IDENTIFIED,
        name="invented_2016_GM9001",
        project=project,
        columns=manifest_columns(content.schema, {"record": "record"}),
        made_by="receive",
        parents={"delivery": "ab" * 32},
        period="2016",
        retention_date="2030-06-30",
    )
    with writing_frame(path, manifest, content.schema, encryption=encryption) as sink:
        sink.write(content)
    return open_frame(path, Identified, decryption=None if custody is None else custody.decryption())
