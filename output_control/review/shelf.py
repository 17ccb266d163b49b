"""Keeping a checked output in the gate's own zone between the check and the request, byte by byte.

The release service believes nothing that lies here: it has everything tabulated again and compares.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from enclave.errors import NotReady, Tampered
from enclave.files import write_bytes
from enclave.fingerprints import Json, canonical_json
from output_control.sealed import CheckedOutput

Checked: TypeAlias = CheckedOutput
Recheck: TypeAlias = Callable[[], CheckedOutput]
_FILES = ("outputs", "evidence", "checker_annex", "researcher_files")


def put(checked: CheckedOutput, path: Path) -> Path:
    """Write ``checked`` to ``path`` (mode 0600: it holds the checkers' annex); the same output gives the same bytes."""
    document: dict[str, Json] = {
        **{name: _encoded(getattr(checked, name)) for name in _FILES},
        "analysis": checked.analysis,
        "version": checked.version,
        "policy_document": base64.b64encode(checked.policy_document).decode(),
        "inputs": {**checked.inputs},
        "fingerprint": checked.fingerprint,
        "advice": list(checked.advice),
    }
    write_bytes(path, canonical_json(document), mode=0o600)
    return path


def take(path: Path) -> CheckedOutput:
    """Read what :func:`put` wrote.

    Raises:
        NotReady: nothing was checked, or this user may not read the gate's zone.
        Tampered: the file is not whole.
    """
    try:
        document = json.loads(path.read_bytes())
        return CheckedOutput(
            analysis=document["analysis"],
            version=document["version"],
            outputs=_decoded(document["outputs"]),
            evidence=_decoded(document["evidence"]),
            checker_annex=_decoded(document["checker_annex"]),
            policy_document=base64.b64decode(document["policy_document"], validate=True),
            inputs=document["inputs"],
            fingerprint=document["fingerprint"],
            advice=tuple(document["advice"]),
            researcher_files=_decoded(document["researcher_files"]),
        )
    except (FileNotFoundError, PermissionError):
        raise NotReady("the gate has not checked this yet", where=path.stem, next_step="zicht check ANALYSIS") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Tampered("the checked output is not whole", where=path.name, next_step="zicht check ANALYSIS") from None


def _encoded(files: Mapping[str, bytes]) -> Mapping[str, Json]:
    return {name: base64.b64encode(content).decode() for name, content in files.items()}


def _decoded(files: Mapping[str, str]) -> dict[str, bytes]:
    return {name: base64.b64decode(content, validate=True) for name, content in files.items()}
