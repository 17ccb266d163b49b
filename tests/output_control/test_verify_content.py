"""``zicht verify`` on bundles whose bytes hold and whose content is not what was approved, or has no evidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from enclave.errors import NotAllowed
from enclave.fingerprints import canonical_json, digest_bytes, digest_json
from enclave.signatures import PayloadType
from output_control.release.verify import verify_bundle
from tests.output_control.desk import (
    KEYS,
    ROOT,
    SERVICE,
)
from tests.output_control.dishonest import Files, fault, resigned, sign_again


@pytest.mark.parametrize("name", ["outputs/v3/area.csv", "outputs/v3/new.csv", "evidence/v3/area.json"])
def test_other_files_than_were_approved_are_found_under_a_good_signature(bundle: Path, name: str) -> None:
    spoiled = resigned(bundle, lambda files: files.update({name: b'{"passed":true}'}))
    assert f"{name.split('/', maxsplit=1)[0]}/ is not what was approved" in fault(spoiled)


def test_another_policy_than_was_approved_under_is_found(bundle: Path) -> None:
    spoiled = resigned(bundle, lambda files: files.update({"policy.json": b'{"minimum_frequency":1}'}))
    assert "policy.json is not the policy under which was approved" in fault(spoiled)


def approve_anew(files: Files) -> None:
    """Sign everything again for the outputs and evidence that lie there: three dishonest persons and the service."""
    content = json.loads(files["approvals.json"])
    digests = {
        part: digest_json({n: digest_bytes(c) for n, c in files.items() if n.startswith(f"{part}/")})
        for part in ("outputs", "evidence")
    }
    subject = {**content["submission"]["statement"]["subject"], **digests}
    sign_again(content["submission"], KEYS["p-author"], PayloadType.REQUEST, subject=subject)
    for item, person in zip(content["approvals"], ("p-first", "p-second"), strict=True):
        sign_again(item, KEYS[person], subject=subject)
    files["approvals.json"] = canonical_json(content) + b"\n"


@pytest.mark.parametrize(
    "evidence",
    [
        b'{"kind":"table","audit":{"passed":false},"checks":["frequency"]}',
        b'{"kind":"table","audit":{"passed":"yes"},"checks":["frequency"]}',
        b'{"kind":"table","audit":{"passed":true},"checks":[]}',
        b'{"kind":"table","audit":{"passed":true},"checks":[{"name":"frequency","passed":false}]}',
        b'{"kind":"table","audit":{"passed":true},"checks":["frequency"],"ledger_passed":0}',
        b'{"kind":"table","checks":["frequency"]}',
        b'{"kind":"something new","checks":["frequency"]}',
        b'{"kind":"regression","checks":[]}',
        b'{"kind":"regression","audit":{"passed":false},"checks":["converged"]}',
        b"[]",
    ],
)
def test_evidence_that_does_not_say_passed_is_refused_under_good_signatures(bundle: Path, evidence: bytes) -> None:
    def change(files: Files) -> None:
        files["evidence/v3/area.json"] = evidence
        approve_anew(files)

    said = fault(resigned(bundle, change), NotAllowed)
    assert "evidence/v3/area.json does not say that every check and the audit passed" in said


def test_a_model_needs_checks_and_no_audit(bundle: Path) -> None:
    def change(files: Files) -> None:
        files["evidence/v3/area.json"] = b'{"kind":"regression","checks":["converged"]}'
        approve_anew(files)

    verify_bundle(resigned(bundle, change), ROOT.public)


def test_an_output_without_evidence_is_found_under_good_signatures(bundle: Path) -> None:
    def change(files: Files) -> None:
        files["outputs/v3/more.csv"] = b"1\n"
        approve_anew(files)

    assert "evidence/v3/more.json is missing: an output without evidence" in fault(resigned(bundle, change))


def test_evidence_that_is_no_json_is_found_under_good_signatures(bundle: Path) -> None:
    def change(files: Files) -> None:
        files["evidence/v3/area.json"] = b"passed"
        approve_anew(files)

    assert "evidence/v3/area.json is not readable as evidence" in fault(resigned(bundle, change))


def test_a_bundle_without_outputs_is_found_under_good_signatures(bundle: Path) -> None:
    def change(files: Files) -> None:
        for name in [name for name in files if name.startswith("outputs/")]:
            del files[name]
        approve_anew(files)

    assert "there are no outputs" in fault(resigned(bundle, change))


def test_approving_anew_without_a_change_holds(bundle: Path) -> None:
    verify_bundle(resigned(bundle, approve_anew), ROOT.public)


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/passwd", "outputs/../../x", "outputs//x", "outputs\\x", "other/x"]
)
def test_a_manifest_that_lists_a_place_outside_a_bundle_is_found(bundle: Path, name: str) -> None:
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    manifest["files"][name] = "0" * 64
    listing = canonical_json(manifest) + b"\n"
    (bundle / "manifest.json").write_bytes(listing)
    (bundle / "manifest.sig").write_text(SERVICE.sign(PayloadType.RELEASE, listing) + "\n")
    assert "which is no place in a bundle" in fault(bundle)


@pytest.mark.parametrize("change", [{"algorithm": "md5"}, {"format": "zicht-bundle/2"}])
def test_a_manifest_of_another_format_is_found(bundle: Path, change: dict[str, str]) -> None:
    listing = canonical_json({**json.loads((bundle / "manifest.json").read_bytes()), **change}) + b"\n"
    (bundle / "manifest.json").write_bytes(listing)
    (bundle / "manifest.sig").write_text(SERVICE.sign(PayloadType.RELEASE, listing) + "\n")
    assert "manifest.json is of another format" in fault(bundle)
