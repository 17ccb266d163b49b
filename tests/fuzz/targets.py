"""Every parser of what comes from outside, as a function of bytes, with sound files to start from.

A target may only return or raise an `EnclaveError`; no error may hold `CANARY`, which stands in the seeds.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from enclave.classifications import load_classification
from enclave.errors import EnclaveError
from enclave.frames import FrameManifest, manifest_columns, open_frame, writing_frame
from enclave.journal import Journal
from enclave.project import load_project
from enclave.requests import parse_requests
from enclave.signatures import SigningKey, load_public
from enclave.zones import Derived
from output_control.alone.instance import read_instance
from output_control.leaving import faults_of_leaving
from output_control.policy import SALT_FILE, load_policy
from output_control.review.roster import read_roster, sign_roster
from pseudonymise.formats import read_batches
from pseudonymise.formats.batch import PlainFile
from pseudonymise.manifest import read_manifest
from pseudonymise.schemas import DeliverySchema, load_schema
from pseudonymise.sealing import FORMAT_LINE, open_seal
from pseudonymise.validation import Validator

CANARY = "999400131"
CONFIGS = Path(__file__).resolve().parents[2] / "configs"
ROOT = SigningKey.from_seed(b"fuzz" * 8)


@dataclass(frozen=True, slots=True)
class Target:
    """``run`` takes a file's bytes and a folder of its own; ``seeds`` are sound files."""

    run: Callable[[bytes, Path], object]
    seeds: Callable[[], tuple[bytes, ...]]


def attempt(target: Target, content: bytes) -> None:
    """Run ``content`` through ``target``.

    Raises:
        AssertionError: an error tells the canary.
        Exception: the parser crashed.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            target.run(content, Path(folder))
        except EnclaveError as error:
            told = f"{error}{error!r}{error.__cause__!r}{error.__context__ if not error.__suppress_context__ else ''!r}"
            assert CANARY not in told, "an error tells a value"


def two_columns(form: str) -> DeliverySchema:
    """A schema of two texts, of which the second may be empty."""
    column = {"meaning_nl": "tekst", "meaning_en": "text", "type": "text", "example": "x", "treatment": "text-scan"}
    columns = [{**column, "name": "first"}, {**column, "name": "second", "nullable": True}]
    fields = {"name": "two", "version": 1, "title_nl": "twee", "title_en": "two", "format": form, "keys": ["first"]}
    return DeliverySchema.model_validate({**fields, "columns": columns, "tolerance": 1})


def delivered(form: str, schema_of: Callable[[str], DeliverySchema] = two_columns) -> Callable[[bytes, Path], None]:
    """Read a delivered file and sort its rows; each is counted once."""

    def run(content: bytes, folder: Path) -> None:
        path = folder / f"two.{form}"
        path.write_bytes(content)
        schema = schema_of(form)
        validator = Validator(schema, "2016", salt=b"")
        rows = 0
        for batch in read_batches(PlainFile(path), schema):
            divided = validator.sort(batch)
            rows += len(divided.accepted) + len(divided.quarantined)
        assert rows == validator.tally.received, "a row was lost"

    return run


def csv_seeds() -> tuple[bytes, ...]:
    """Separators, quotes, line breaks, encodings."""
    return (
        f"first;second\na;{CANARY}\n".encode(),
        f'first;second\r\n"a ""b""";"{CANARY}\n more"\r\n;\r\n'.encode(),
        f"\ufefffirst;second\nNoël;{CANARY}\n".encode(),
        f"first;second\nNoël;{CANARY}\n".encode("cp1252"),
        f"first;second\na;{CANARY}\n".encode("utf-16"),
    )


def xlsx_seeds() -> tuple[bytes, ...]:
    """A workbook of a text, a number, a date, an empty row and a boolean; one with a formula."""
    import openpyxl

    found = []
    for last in ("c", "=A1"):
        book = openpyxl.Workbook()
        rows = (["first", "second"], ["a", int(CANARY)], [None, None], ["b", date(2016, 1, 2)], [last, True])
        for row in rows:
            book.active.append(row)  # type: ignore[union-attr] # a new workbook has a sheet
        buffer = io.BytesIO()
        book.save(buffer)
        found.append(buffer.getvalue())
    return tuple(found)


def sav_seeds() -> tuple[bytes, ...]:
    """An SPSS file, plain and compressed."""
    import pandas as pd
    import pyreadstat

    found = []
    with tempfile.TemporaryDirectory() as folder:
        for compressed in (False, True):
            path = Path(folder) / "two.sav"
            frame = pd.DataFrame({"first": ["a", "b"], "second": ["", CANARY]})
            pyreadstat.write_sav(frame, str(path), row_compress=compressed)
            found.append(path.read_bytes())
    return tuple(found)


def as_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    """A parser that takes a path."""

    def run(content: bytes, folder: Path) -> object:
        path = folder / name
        path.write_bytes(content)
        return read(path)

    return run


def files_of(*patterns: str) -> Callable[[], tuple[bytes, ...]]:
    """Shipped files as seeds."""
    return lambda: tuple(path.read_bytes() for pattern in patterns for path in sorted(CONFIGS.glob(pattern)))


def a_manifest() -> dict[str, Any]:
    """A sound manifest of a delivery."""
    return {
        "supplier": "GM9001",
        "schema": "hemp_clearances",
        "schema_version": 1,
        "period": "2016",
        "legal_basis": f"art. 6 {CANARY}",
        "purpose": "statistics",
        "retention_date": "2030-01-01",
        "contact": f"clerk {CANARY}",
        "files": [{"name": "hemp.csv", "sha256": "0" * 64, "rows": 4}],
    }


@cache
def identity() -> Any:
    """Whom seals are for."""
    import pyrage

    return pyrage.x25519.Identity.generate()


def sealed(content: bytes, folder: Path) -> None:
    """A seal that is sound, around content that is not."""
    import pyrage

    path = folder / "delivery.age"
    path.write_bytes(pyrage.encrypt(content, [identity().to_public()]))
    opened = open_seal(path, str(identity()))
    with opened.stream() as stream:
        assert len(stream.read()) == opened.size


def sealed_seeds() -> tuple[bytes, ...]:
    """Head and file, as `zicht delivery seal` lays them out; unsigned, and signed."""
    file = f"first;second\na;{CANARY}\n".encode()
    plain = {"manifest": a_manifest(), "sizes": [len(file)]}
    signature = {"key_id": "ed25519/" + "0" * 16, "signature": CANARY}
    heads = [json.dumps(head).encode() for head in (plain, plain | {"signature": signature})]
    return tuple(FORMAT_LINE + len(head).to_bytes(8, "big") + head + file for head in heads)


def unsealed(content: bytes, folder: Path) -> object:
    """Bytes that are no seal, or an altered one."""
    path = folder / "delivery.age"
    path.write_bytes(content)
    return open_seal(path, str(identity()))


def unsealed_seeds() -> tuple[bytes, ...]:
    """A sound seal."""
    import pyrage

    return tuple(pyrage.encrypt(seed, [identity().to_public()]) for seed in sealed_seeds())


def journal(content: bytes, folder: Path) -> None:
    """A journal that somebody wrote into."""
    kept = Journal(folder / "journal")
    kept.file.parent.mkdir()
    kept.file.write_bytes(content)
    kept.verify()
    list(kept.entries())


def journal_seeds() -> tuple[bytes, ...]:
    """Two entries."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Journal(Path(folder))
        for subject in ("one", "two"):
            kept.append(actor="a", action="b", subject=subject, details={"n": 1}, now=datetime(2026, 1, 1, tzinfo=UTC))
        return (kept.file.read_bytes(),)


def frame_seeds() -> tuple[bytes, ...]:
    """A Parquet file with its manifest in the footer."""
    import pyarrow as pa

    table = pa.table({"first": ["a", CANARY]})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.parquet"
        columns = manifest_columns(table.schema, {})
        manifest = FrameManifest(zone=Derived.zone, name="frame", project="p", columns=columns, made_by="fuzz")
        with writing_frame(path, manifest, table.schema) as sink:
            sink.write(table)
        return (path.read_bytes(),)


def policy(content: bytes, folder: Path) -> object:
    """The public part of a policy beside a sound confidential one."""
    (folder / "cbs_ra.yaml").write_bytes(content)
    for name, secret in (
        ("cbs_ra.confidential.yaml", (CONFIGS / "policies" / "cbs_ra.confidential.example.yaml").read_bytes()),
        (SALT_FILE, b"s" * 32),
    ):
        (folder / name).write_bytes(secret)
        (folder / name).chmod(0o600)
    return load_policy(folder / "cbs_ra.yaml", folder)


REQUEST = {
    "kind": "table",
    "name": "homes",
    "title": "Homes",
    "derivation": "homes",
    "population": {"dataset": "homes", "key": "home"},
    "record": "home",
    "unit": "owner",
    "dimensions": [{"column": "region", "classification": "region"}],
    "statistic": "count",
}

INSTANCE = {
    "desc.json": json.dumps(
        {
            "name": "i",
            "kind": "magnitude",
            "dims": [{"name": "a", "root": "T", "hierarchy": {"T": ["x", "y"]}}],
            "measure": "value",
            "freq": "freq",
            "contributor": "who",
            "rule": {"type": "any", "rules": [{"type": "p", "p": 10}, {"type": "nk", "n": [1], "k": [80]}]},
        }
    ).encode(),
    "micro.csv": f"a,freq,value,who\nx,1,5,{CANARY}\ny,1,7,b\n".encode(),
    "cells.csv": b"a,freq,value,ncontr\nT,2,12,2\nx,1,5,1\ny,1,7,1\n",
}


def instance(name: str) -> Target:
    """One file of a `zicht protect` folder, the others sound."""

    def run(content: bytes, folder: Path) -> object:
        for file, sound in {**INSTANCE, name: content}.items():
            (folder / file).write_bytes(sound)
        return read_instance(folder)

    return Target(run, lambda: (INSTANCE[name],))


def leaving(name: str, seed: bytes) -> Target:
    """The scan of a file that is about to leave; it finds faults or none."""

    def run(content: bytes, folder: Path) -> None:
        del folder
        assert not any(CANARY in fault for fault in faults_of_leaving({name: content}))

    return Target(run, lambda: (seed,))


TARGETS: Mapping[str, Target] = {
    "csv": Target(delivered("csv"), csv_seeds),
    "xlsx": Target(delivered("xlsx"), xlsx_seeds),
    "sav": Target(delivered("sav"), sav_seeds),
    "manifest": Target(as_file("manifest.yaml", read_manifest), lambda: (json.dumps(a_manifest(), indent=1).encode(),)),
    "sealed": Target(sealed, sealed_seeds),
    "unsealed": Target(unsealed, unsealed_seeds),
    "schema": Target(as_file("two.yaml", load_schema), files_of("schemas/*.yaml")),
    "project": Target(as_file("project.yaml", load_project), files_of("projects/*.yaml")),
    "classification": Target(as_file("codes.yaml", load_classification), files_of("classifications/*.yaml")),
    "policy": Target(policy, files_of("policies/cbs_ra.yaml")),
    "journal": Target(journal, journal_seeds),
    "roster": Target(
        lambda content, _: read_roster(content, ROOT.public), lambda: (sign_roster([], ROOT), b'{"roster": {}}')
    ),
    "requests": Target(lambda content, _: parse_requests(content), lambda: (json.dumps([REQUEST]).encode(),)),
    "frame": Target(as_file("frame.parquet", lambda path: open_frame(path, Derived)), frame_seeds),
    "public-key": Target(as_file("key.pub", load_public), lambda: (ROOT.public.text.encode(),)),
    "desc": instance("desc.json"),
    "micro": instance("micro.csv"),
    "cells": instance("cells.csv"),
    "leaving-csv": leaving("table.csv", b"a,freq\nx,10\n"),
    "leaving-json": leaving("table.json", b'{"columns": ["a"], "rows": 3}'),
    "leaving-svg": leaving("figure.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0L1 1"/></svg>'),
}
