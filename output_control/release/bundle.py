"""A release bundle as a folder: its name, its manifest, and writing it so that it is there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from enclave.files import replacing_folder
from enclave.fingerprints import Json, canonical_json, digest_bytes
from enclave.journal import Head
from enclave.signatures import PayloadType, SigningKey

MANIFEST, SIGNATURE, JOURNAL_HEAD = "manifest.json", "manifest.sig", "journal-head"
POLICY, ROSTER, APPROVALS, RELEASE_KEY = "policy.json", "roster.json", "approvals.json", "release-key.json"


def bundle_name(analysis: str, version: int, content: str) -> str:
    """``<analysis>-v<version>-<first eight digits of the content digest>``."""
    return f"{analysis}-v{version}-{content[:8]}"


def manifest(files: Mapping[str, bytes]) -> bytes:
    """``manifest.json``: SHA-256 of every file but the manifest and its signature."""
    listed: Json = {name: digest_bytes(files[name]) for name in sorted(files)}
    return canonical_json({"algorithm": "sha256", "files": listed, "format": "zicht-bundle/1"}) + b"\n"


def journal_head(head: Head) -> bytes:
    """``journal-head``: the anchor by which the office can later prove its journal, or others that it was changed."""
    return canonical_json({"digest": head.digest, "sequence": head.sequence}) + b"\n"


def signed_files(files: Mapping[str, bytes], key: SigningKey) -> dict[str, bytes]:
    """``files`` with their manifest and its signature by the release key."""
    listing = manifest(files)
    return {**files, MANIFEST: listing, SIGNATURE: key.sign(PayloadType.RELEASE, listing).encode() + b"\n"}


def write_bundle(folder: Path, files: Mapping[str, bytes], check: Callable[[Path], object]) -> None:
    """Write ``files`` as ``folder``, read-only, when ``check`` of the finished temporary folder raises nothing.

    The caller holds the lock on the parent and knows that ``folder`` does not exist.
    """
    with replacing_folder(folder, mode=0o755) as fresh:
        for name in sorted(files):
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[name])
            path.chmod(0o444)
        for inner in fresh.rglob("*"):
            if inner.is_dir():
                inner.chmod(0o755)
        check(fresh)
