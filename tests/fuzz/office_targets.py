"""More parsers: filters and how they are made, what office and supplier send each other, and the key store."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa

from enclave.encoding_label import EncodingLabel
from enclave.entropy import SeededEntropy
from enclave.fingerprints import canonical_json, digest_json
from linkage.encodings.encoder import Encoder
from linkage.encodings.files import encode_table, read_label
from linkage.encodings.linkage_schema import load_linkage_schema
from linkage.encodings.secret import SharedSecret, read_secret
from pseudonymise.destruction import Certificate, Destroyed, certify
from pseudonymise.key_store import STORE_FILE, KeyStore, opened_by
from pseudonymise.receipt import Findings, Receipt, ReceiptFault
from pseudonymise.refusal import Refusal
from pseudonymise.schemas import DeliverySchema
from pseudonymise.signed_statement import JournalHead, SignedStatement
from pseudonymise.unlocking import KEY_BYTES, Passphrase, Secret, Split
from pseudonymise.withdrawal import Confirmation, Notice, Reason, open_notice, seal_notice
from tests.fuzz.targets import CANARY, CONFIGS, ROOT, TARGETS, Target, as_file, csv_seeds, delivered, files_of, identity

SECRET = SharedSecret(b"a secret that suppliers share, 32+ characters")
HEAD = JournalHead(sequence=1, digest="0" * 64)
DELIVERY = "GM9001-hemp_clearances-2016-0123456789ab"
MOMENT = "2016-01-01T00:00:00+00:00"
Run = Callable[[bytes, Path], object]


@cache
def filter_schema(form: str = "json") -> DeliverySchema:
    """A schema of filters alone."""
    column = {"name": "clk", "meaning_nl": "filter", "meaning_en": "filter", "type": "identifier", "kind": "clk"}
    fields = {"name": "two", "version": 1, "title_nl": "twee", "title_en": "two", "format": form, "keys": ["clk"]}
    columns = [{**column, "bits": 128, "example": "x", "treatment": "drop"}]
    return DeliverySchema.model_validate({**fields, "columns": columns, "tolerance": 1})


def filter_seeds() -> tuple[bytes, ...]:
    """Filters, one of them none; an empty list."""
    filters = [base64.b64encode(bytes([7] * 16)).decode(), CANARY, ""]
    return json.dumps({"clks": filters}, indent=1).encode(), b'{"clks": []}'


def linkage_schema(path: Path) -> object:
    """Read one and encode under it."""
    schema = load_linkage_schema(path)
    values = pa.array(["1", None])
    return Encoder(schema, SECRET).encode(dict.fromkeys(schema.used, values), where="fuzz")


@cache
def _encoder() -> Encoder:
    return Encoder(load_linkage_schema(CONFIGS / "linkage" / "persons.json"), SECRET)


def persons(content: bytes, folder: Path) -> object:
    """`zicht encoding file` of a table of persons."""
    path = folder / "persons.csv"
    path.write_bytes(content)
    return encode_table(path, _encoder(), folder / "out.csv", columns={"surname": "first"}, keep=("second",))


def secret(content: bytes, folder: Path) -> object:
    """A secret that only its owner reads."""
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(0o600)
    return read_secret(path)


def notice(content: bytes, folder: Path) -> object:
    """A sound seal around a notice that is not."""
    import pyrage

    path = folder / "one.withdrawal"
    path.write_bytes(pyrage.encrypt(content, [identity().to_public()]))
    return open_notice(path, str(identity()))


def notice_seeds() -> tuple[bytes, ...]:
    """What stands within the seal of a notice."""
    import pyrage

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.withdrawal"
        sound = Notice(delivery=DELIVERY, reason=Reason.ERRORS, proof="0" * 64)
        seal_notice(sound, str(identity().to_public()), path, ROOT)
        return (pyrage.decrypt(path.read_bytes(), [identity()]),)


def statement(kind: type[SignedStatement], sound: Callable[[], SignedStatement]) -> Target:
    """A signed statement, as `SignedStatement.load` reads it."""

    def seeds() -> tuple[bytes, ...]:
        return (json.dumps(sound().model_dump(mode="json"), indent=1).encode(),)

    def run(path: Path) -> object:
        return str(kind.load(path, ROOT.public))

    return Target(as_file("statement.json", run), seeds)


def a_receipt() -> Receipt:
    """A sound one."""
    findings = Findings(
        delivery=DELIVERY,
        project="p",
        supplier="GM9001",
        schema_name="hemp_clearances",
        schema_version=1,
        period="2016",
        outcome="accepted",
        sha256="0" * 64,
        sealed_sha256="0" * 64,
        received=1,
        accepted=1,
        quarantined=0,
        tolerance=0.1,
        legal_basis=CANARY,
        purpose=CANARY,
        retention_date=date(2030, 1, 1),
        time=MOMENT,
    )
    return Receipt(findings=findings, journal_head=HEAD, key_id="").signed(ROOT)


def a_certificate() -> Certificate:
    """A sound one."""
    gone = Destroyed(kind="keys", name="v1", project="p", retention_date=date(2030, 1, 1))
    return certify(gone, time=MOMENT, means=CANARY, head=HEAD, key=ROOT)


def a_confirmation() -> Confirmation:
    """A sound one."""
    bare = Confirmation(
        delivery=DELIVERY,
        reason=Reason.ERRORS,
        by=CANARY,
        replaced_by="",
        time=MOMENT,
        journal_head=HEAD,
        key_id="",
    )
    return bare.signed(ROOT)


def a_refusal() -> Refusal:
    """A sound one."""
    bare = Refusal(
        delivery=DELIVERY,
        project="p",
        sealed_sha256="0" * 64,
        reason=CANARY,
        next_step="",
        faults=(ReceiptFault(file="manifest", check="period", message=CANARY),),
        time=MOMENT,
        journal_head=HEAD,
        key_id="",
    )
    return bare.signed(ROOT)


def _quick(passphrase: bytes, salt: bytes) -> Secret:
    if len(salt) < 8:  # as Argon2id refuses it
        raise ValueError
    return Secret((passphrase * KEY_BYTES)[:KEY_BYTES])


def key_store(content: bytes, folder: Path) -> object:
    """A key store whose digest is right whatever else it holds; Argon2id itself takes too long for many."""
    try:
        body = json.loads(content)
        body = canonical_json({**body, "digest": digest_json(body)}) + b"\n"
    except (ValueError, TypeError, RecursionError):
        body = content
    zone = folder / "zone"
    zone.mkdir(mode=0o700)
    (zone / STORE_FILE).write_bytes(body)
    (zone / STORE_FILE).chmod(0o600)
    opened_by(zone)
    with mock.patch("pseudonymise.unlocking._derived", _quick):
        store = KeyStore.open(zone, [b"one", b"two"])
    return store.names(), store.destroyed(), store.revision


def key_store_seeds() -> tuple[bytes, ...]:
    """One under a passphrase, one under shares; without their digests."""
    found: list[bytes] = []
    with mock.patch("pseudonymise.unlocking._derived", _quick), tempfile.TemporaryDirectory() as folder:
        for lock in (Passphrase(b"one"), Split(2, {"a": b"one", "b": b"two", "c": b"three"})):
            zone = Path(folder) / str(len(found))
            KeyStore.create(zone, lock, [f"hash-master/{CANARY}", "receipt"], SeededEntropy(1))
            body: dict[str, Any] = json.loads((zone / STORE_FILE).read_bytes())
            del body["digest"]
            found.append(json.dumps(body).encode())
    return tuple(found)


OFFICE_TARGETS: Mapping[str, Target] = {
    **TARGETS,
    "filters": Target(delivered("json", filter_schema), filter_seeds),
    "label": Target(
        as_file("clk.csv.encoding.json", lambda path: read_label(path.with_name("clk.csv"))),
        lambda: (
            EncodingLabel(linkage_schema="0" * 64, secret_check=f"{CANARY}0123456", bits=1024)
            .model_dump_json()
            .encode(),
        ),
    ),
    "linkage-schema": Target(as_file("persons.json", linkage_schema), files_of("linkage/*.json")),
    "persons": Target(persons, csv_seeds),
    "secret": Target(secret, lambda: (SECRET.reveal() + b"\n",)),
    "receipt": statement(Receipt, a_receipt),
    "certificate": statement(Certificate, a_certificate),
    "confirmation": statement(Confirmation, a_confirmation),
    "refusal": statement(Refusal, a_refusal),
    "notice": Target(notice, notice_seeds),
    "key-store": Target(key_store, key_store_seeds),
}
