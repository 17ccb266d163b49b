"""``ro-crate-metadata.json``: what a bundle is, as an RO-Crate 1.1 under the Five Safes profile, in plain JSON-LD.

Written by hand and not by the ``rocrate`` library, which adds the clock's time and reads files from paths; a test reads
the result with that library.

References:
    RO-Crate Metadata Specification 1.1, https://w3id.org/ro/crate/1.1
    Five Safes RO-Crate profile 0.4, https://w3id.org/5s-crate/0.4, https://doi.org/10.5281/zenodo.10376350
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from enclave.fingerprints import Json, digest_bytes

CRATE_FILE = "ro-crate-metadata.json"
CONTEXT = ("https://w3id.org/ro/crate/1.1/context", {"shp": "https://w3id.org/shp#"})
PROFILE = "https://w3id.org/5s-crate/0.4"
_FORMATS = {".csv": "text/csv", ".json": "application/json", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Approver:
    """A checker and when their approval was journalled."""

    person: str
    time: str


@dataclass(frozen=True, slots=True)
class CrateFacts:
    """What the crate says beyond its files."""

    project: str
    analysis: str
    version: int
    request: str
    title: str
    author: str
    submitted: str
    released: str
    approvers: Sequence[Approver]


def build_crate(facts: CrateFacts, files: Mapping[str, bytes]) -> bytes:
    """The crate of a bundle with ``files`` (all but the crate itself, the manifest and its signature)."""
    people = sorted({facts.author, *(approver.person for approver in facts.approvers)})
    graph: list[Json] = [
        {
            "@id": CRATE_FILE,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        },
        _root(facts, sorted(files)),
        {"@id": f"#project-{facts.project}", "@type": "Project", "name": facts.project},
        {"@id": "#zicht", "@type": "SoftwareApplication", "name": "Zicht", "description": "release service"},
        _run(facts, sorted(files)),
        *(_sign_off(facts, approver) for approver in facts.approvers),
        *({"@id": f"#person-{person}", "@type": "Person", "name": person} for person in people),
        *(_file(name, files[name]) for name in sorted(files)),
    ]
    crate: Json = {"@context": list(CONTEXT), "@graph": graph}
    return json.dumps(crate, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _root(facts: CrateFacts, names: Sequence[str]) -> Json:
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": facts.title,
        "description": f"Checked output of analysis {facts.analysis}, version {facts.version}, "
        f"of project {facts.project}: aggregates only, passed by output control and two checkers.",
        "conformsTo": {"@id": PROFILE},
        "identifier": facts.request,
        "datePublished": facts.released,
        "license": "see the office's conditions of use",
        "sourceOrganization": {"@id": f"#project-{facts.project}"},
        "hasPart": [{"@id": name} for name in names],
        "mentions": [{"@id": "#run"}, *({"@id": f"#sign-off-{a.person}"} for a in facts.approvers)],
    }


def _run(facts: CrateFacts, names: Sequence[str]) -> Json:
    return {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"{facts.analysis} version {facts.version}, re-tabulated by the gate",
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "agent": {"@id": f"#person-{facts.author}"},
        "instrument": {"@id": "#zicht"},
        "startTime": facts.submitted,
        "endTime": facts.released,
        "result": [{"@id": name} for name in names if name.startswith("outputs/")],
    }


def _sign_off(facts: CrateFacts, approver: Approver) -> Json:
    return {
        "@id": f"#sign-off-{approver.person}",
        "@type": "AssessAction",
        "additionalType": {"@id": "shp:DisclosureCheck"},
        "name": "Disclosure check by a person: approved",
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "agent": {"@id": f"#person-{approver.person}"},
        "instrument": {"@id": "policy.json"},
        "object": {"@id": "./"},
        "endTime": approver.time,
    }


def _file(name: str, content: bytes) -> Json:
    suffix = "." + name.rpartition(".")[2]
    return {
        "@id": name,
        "@type": "File",
        "name": name.rpartition("/")[2],
        "contentSize": str(len(content)),
        "encodingFormat": _FORMATS.get(suffix, "text/plain"),
        "sha256": digest_bytes(content),
    }
