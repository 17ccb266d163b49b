"""Reproducing a release: the same analysis, data, code and policy must give the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

from enclave.errors import NotReady, Tampered
from enclave.fingerprints import digest_file
from enclave.zones import Zone
from output_control.release import provenance
from output_control.release.verify import VerifyReport
from output_control.review.request_file import annexed, digests, list_requests, read_request
from pipeline.research import ResearchDesk


def compare(bundle: Path, report: VerifyReport, desk: ResearchDesk) -> tuple[str, ...]:
    """Run and check a release's analysis anew and compare ``outputs/``, ``evidence/`` and the annex; returns the names.

    A bundle never holds the checkers' annex. Its digests stand in the request, which lies in the installation that
    released; elsewhere the annex cannot be compared.

    Raises:
        NotReady: this installation runs another version of the analysis.
        Tampered: files differ, are missing or are too many; names them, shows no content.
    """
    use = desk.office.project.analysis(report.analysis)
    if use.version != report.version:
        raise NotReady(
            f"the release is of {use.name} version {report.version}; this project runs version {use.version}",
            next_step="take the project file and the code of the release",
        )
    _require_history(bundle, desk)
    checked = desk.checker(use)()
    made = digests({**checked.outputs, **checked.evidence})
    parts = [path for part in ("outputs", "evidence") for path in sorted((bundle / part).rglob("*")) if path.is_file()]
    released = {path.relative_to(bundle).as_posix(): digest_file(path) for path in parts}
    review = desk.office.workspace.path(Zone.REVIEW)
    if report.request in list_requests(review):
        request = read_request(review, report.request)
        request.check_untouched()
        released |= request.document.annex
        made |= digests(annexed(checked.checker_annex))
    differing = sorted(name for name in made.keys() | released.keys() if made.get(name) != released.get(name))
    if differing:
        inputs = f"evidence/{use.name}/inputs.json"
        before = (bundle / inputs).read_bytes() if inputs in released else b""
        changed = provenance.changed(before, checked.evidence.get(inputs, b""))
        since = f"; changed since: {provenance.listed(changed)}" if changed else ""
        raise Tampered(
            f"run again, {len(differing)} file(s) differ: {', '.join(differing)}{since}",
            where=bundle.name,
            next_step="compare evidence/…/inputs.json: it names the data, code and packages of the release",
        )
    return tuple(sorted(released))


def _require_history(bundle: Path, desk: ResearchDesk) -> None:
    """A release is checked against what left before it; without that, nothing is reproduced."""
    named: set[str] = set()
    for file in sorted((bundle / "evidence").rglob("*.json")):
        earlier = json.loads(file.read_bytes()).get("earlier_releases", {})
        named |= set(earlier.get("share_units", ()))
    missing = sorted(named - {entry.release for entry in desk.history().entries})
    if missing:
        raise NotReady(
            f"the release was checked beside {', '.join(missing)}, which this installation has not released",
            next_step="release those first, from the same data",
        )
