"""The bytes of a release bundle for `zicht verify`: what lies there, against manifest, signature and evidence."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from enclave.errors import EnclaveError, NotAllowed, Tampered
from enclave.fingerprints import canonical_json, digest_bytes
from enclave.signatures import PayloadType, PublicKey
from output_control.leaving import faults_of_leaving
from output_control.policy.models import UNAUDITED
from output_control.review.statements import ReleaseKey, Sha256, read_signed

CRATE = "ro-crate-metadata.json"
_FIXED = (
    CRATE,
    "policy.json",
    "roster.json",
    "approvals.json",
    "release-key.json",
    "journal-head",
)
UNLISTED = ("manifest.json", "manifest.sig")
_LARGEST = 1 << 30


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Manifest(_Strict):
    algorithm: str
    files: dict[str, Sha256]
    format: str


Model = TypeVar("Model", bound=BaseModel)


@dataclass(slots=True)
class Findings:
    """Faults as they are found: in bytes (tampered) and in what persons did or said (not allowed)."""

    tampered: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)

    def conclude(self, where: str) -> None:
        """Raise when anything was found; altered bytes weigh more than persons."""
        faults = [*self.tampered, *self.people]
        if not faults:
            return
        kind: type[EnclaveError] = Tampered if self.tampered else NotAllowed
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise kind(
            f"this release does not hold:\n{listed}",
            where=where,
            next_step="use none of it; fetch it again from the office and report what was found",
        )


def read_files(bundle: Path, found: Findings) -> dict[str, bytes]:
    """Every regular file by its name; links, devices and folders without files are faults. Follows nothing."""
    files: dict[str, bytes] = {}
    for parent, folders, names in os.walk(bundle):
        here = Path(parent)
        if not folders and not names:
            found.tampered.append(f"{_printable(here.relative_to(bundle).as_posix())} is an empty folder")
        for name in sorted([*names, *folders]):
            path = here / name
            shown = path.relative_to(bundle).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and path.lstat().st_size <= _LARGEST:
                files[shown] = path.read_bytes()
            elif not stat.S_ISDIR(mode):
                found.tampered.append(f"{_printable(shown)} is no regular file")
    return files


def _printable(name: str) -> str:
    return name if name.isprintable() and len(name) < 200 else "a file with an unprintable name"


def check_manifest(files: Mapping[str, bytes], key: ReleaseKey | None, found: Findings) -> None:
    """The manifest lists exactly the files that lie there, with their digests, and ``key`` signed it."""
    missing = [name for name in (*_FIXED, *UNLISTED) if name not in files]
    found.tampered += [f"{name} is missing" for name in missing]
    manifest = parsed(files, "manifest.json", _Manifest, found)
    _check_signature(files, key, found)
    if manifest is None:
        return
    if (manifest.algorithm, manifest.format) != ("sha256", "zicht-bundle/1"):
        found.tampered.append("manifest.json is of another format")
    for name in sorted(files.keys() - manifest.files.keys() - set(UNLISTED)):
        found.tampered.append(f"{_printable(name)} was added: the manifest does not list it")
    for name, digest in sorted(manifest.files.items()):
        if not _proper(name):
            found.tampered.append(f"the manifest lists {_printable(name)}, which is no place in a bundle")
        elif name not in files:
            if name not in missing:
                found.tampered.append(f"{name} is missing")
        elif digest_bytes(files[name]) != digest:
            found.tampered.append(f"{name} was altered")
    found.checks.append(f"{len(manifest.files)} files have the digests of the manifest, and there are no others")


def _proper(name: str) -> bool:
    if name in _FIXED:
        return True
    parts = name.split("/")
    clean = all(part and not part.startswith(".") and part.isascii() and part.isprintable() for part in parts)
    return clean and "\\" not in name and len(parts) > 1 and parts[0] in ("outputs", "evidence")


def _check_signature(files: Mapping[str, bytes], key: ReleaseKey | None, found: Findings) -> None:
    """Whatever is missing here is a fault: only a signature that was verified adds none."""
    try:
        if key is None or files["manifest.sig"][-1:] != b"\n":
            raise Tampered("no key, or a signature that was cut")
        signature = files["manifest.sig"][:-1].decode("ascii")
        PublicKey(key.public_key).verify(PayloadType.RELEASE, files["manifest.json"], signature)
    except (Tampered, KeyError, UnicodeDecodeError):
        found.tampered.append("manifest.sig is not the release key's signature over manifest.json")
    else:
        found.checks.append("the manifest is signed by a release key that the office certified")


def release_key(files: Mapping[str, bytes], root_public: PublicKey, found: Findings) -> ReleaseKey | None:
    """The release key that the office certified; None with a fault when there is none."""
    try:
        signed = read_signed(files.get("release-key.json", b""), ReleaseKey, "release-key.json")
        signed.check(PayloadType.RELEASE_KEY, root_public)
    except Tampered:
        found.tampered.append("release-key.json is not certified by this office's root key")
        return None
    return signed.statement


def parsed(files: Mapping[str, bytes], name: str, model: type[Model], found: Findings) -> Model | None:
    """The file as ``model``, in the one spelling that the release service writes; None with a fault otherwise."""
    if name not in files:
        return None
    try:
        value = model.model_validate_json(files[name])
        if canonical_json(value.model_dump(mode="json")) + b"\n" == files[name]:
            return value
    except ValueError:
        pass  # what is wrong inside may be a value: the name of the file is enough
    found.tampered.append(f"{name} is not readable as what it must be")
    return None


def check_evidence(files: Mapping[str, bytes], found: Findings) -> None:
    """Every released CSV has evidence of its name that says what passed; no evidence says that something did not."""
    needed = {f"evidence/{_stem(name)}.json" for name in files if name.startswith("outputs/") and name.endswith(".csv")}
    if not needed:
        found.tampered.append("there are no outputs")
    for name in sorted(needed - files.keys()):
        found.tampered.append(f"{name} is missing: an output without evidence")
    for name in sorted(name for name in files if name.startswith("evidence/")):
        try:
            said = json.loads(files[name])
        except (ValueError, RecursionError):
            found.tampered.append(f"{name} is not readable as evidence")
            continue
        if not all(verdict is True for verdict in _verdicts(said)) or (name in needed and not _says_passed(said)):
            found.people.append(f"{name} does not say that every check and the audit passed")
    found.checks.append("the evidence says of every output that its checks and its audit passed")


def check_leaving(files: Mapping[str, bytes], found: Findings) -> None:
    """No file holds an identifier, a listing of records, hidden content, or is of a type that does not leave."""
    faults = faults_of_leaving({name: content for name, content in files.items() if _proper(name)})
    found.people += faults
    if not faults:
        found.checks.append("no file holds an identifier, a listing of records or hidden content")


def _stem(name: str) -> str:
    return name.removeprefix("outputs/").removesuffix(".csv")


def _says_passed(evidence: object) -> bool:
    """It lists checks, and an audit that passed; models alone have no cells that an audit could attack."""
    if not isinstance(evidence, Mapping) or not evidence.get("checks"):
        return False
    audit = evidence.get("audit")
    audited = isinstance(audit, Mapping) and audit.get("passed") is True
    return audited or ("audit" not in evidence and evidence.get("kind") in UNAUDITED)


def _verdicts(value: object) -> Iterable[object]:
    """Every value under a key that says whether something passed, however deep."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "passed" or str(key).endswith("_passed"):
                yield inner
            else:
                yield from _verdicts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _verdicts(inner)
