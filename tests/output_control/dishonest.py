"""Bundles that a dishonest release service has signed: every byte holds, the people do not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from enclave.errors import EnclaveError, Tampered
from enclave.fingerprints import canonical_json
from enclave.signatures import PayloadType, SigningKey
from output_control.release.bundle import signed_files
from output_control.release.verify import verify_bundle
from tests.output_control.desk import (
    ROOT,
    SERVICE,
    contents,
)

Files = dict[str, bytes]


def fault(bundle: Path, kind: type[EnclaveError] = Tampered, **known: Any) -> str:
    """What verify says of a bundle that does not hold."""
    with pytest.raises(kind) as raised:
        verify_bundle(bundle, ROOT.public, **known)
    assert raised.value.where == bundle.name
    assert raised.value.exit_code == kind.exit_code
    return str(raised.value)


def resigned(bundle: Path, change: Callable[[Files], object], key: SigningKey = SERVICE) -> Path:
    """The bundle after ``change``, with a new manifest and a good signature by ``key``."""
    files = {n: c for n, c in contents(bundle).items() if n not in ("manifest.json", "manifest.sig")}
    change(files)
    shutil.rmtree(bundle)
    for name, content in signed_files(files, key).items():
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_bytes(content)
    return bundle


def edit(files: Files, name: str, change: Callable[[Any], object]) -> None:
    """Change a JSON file and write it as the release service would."""
    content = json.loads(files[name])
    change(content)
    files[name] = canonical_json(content) + b"\n"


def approvals(change: Callable[[Any], object]) -> Callable[[Files], None]:
    """A change to ``approvals.json``."""
    return lambda files: edit(files, "approvals.json", change)


def sign_again(item: Any, key: SigningKey, kind: PayloadType = PayloadType.APPROVAL, **changed: Any) -> None:
    """Change a statement and sign it with ``key``, which it then names."""
    item["statement"] |= {"key": key.public.text, **changed}
    item["signature"] = key.sign(kind, canonical_json(item["statement"]))
