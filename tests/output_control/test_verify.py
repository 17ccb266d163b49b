"""`zicht verify` finds every altered byte, name and file, and every approval that is not one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enclave.errors import EnclaveError, NotAllowed, NotReady, Tampered
from enclave.fingerprints import canonical_json, digest_bytes, digest_json
from enclave.signatures import PayloadType, SigningKey
from output_control.approvals import certify_release_key
from output_control.bundle import signed_files
from output_control.roster import Role, sign_roster
from output_control.verify import verify_bundle
from tests.output_control.desk import (
    END,
    KEYS,
    ROOT,
    SERVICE,
    START,
    Office,
    a_roster,
    contents,
    line,
    roster_lines,
    seed_key,
)

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """An office with one release."""
    office = Office(tmp_path_factory.mktemp("office") / "workspace").open()
    office.release(office.approved())
    return office


@pytest.fixture
def bundle(released: Office, tmp_path: Path) -> Path:
    """A copy of the released bundle that a test may spoil."""
    (original,) = (released.root / "released/zicht_demo").iterdir()
    copy = tmp_path / original.name
    shutil.copytree(original, copy)
    for path in copy.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return copy


def fault(bundle: Path, kind: type[EnclaveError] = Tampered, **known: Any) -> str:
    """What verify says of a bundle that does not hold."""
    with pytest.raises(kind) as raised:
        verify_bundle(bundle, ROOT.public, **known)
    assert raised.value.where == bundle.name
    assert raised.value.exit_code == kind.exit_code
    return str(raised.value)


# what holds


def test_a_whole_bundle_holds_and_says_what_it_is(bundle: Path, released: Office) -> None:
    report = verify_bundle(bundle, ROOT.public, now=released.now, journal=released.journal)
    assert (report.project, report.analysis, report.version) == ("zicht_demo", "v3", 1)
    assert (report.author, report.checkers) == ("p-author", ("p-first", "p-second"))
    assert report.files == len(contents(bundle))
    assert released.journal.verify([report.journal_head])
    assert len(report.checks) == 5


def test_a_copy_elsewhere_under_another_name_holds_without_the_journal(bundle: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    bundle.rename(moved)
    assert verify_bundle(moved, ROOT.public).request.startswith("v3-v1-")


def test_a_folder_that_is_not_there_or_a_link_to_one_is_no_bundle(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(bundle)
    for place in (tmp_path / "nothing", tmp_path / "link"):
        with pytest.raises(NotReady, match="no release bundle"):
            verify_bundle(place, ROOT.public)


# altered bytes and names


def positions(length: int) -> list[int]:
    """First, last and some twenty places in between."""
    return sorted({0, length - 1, *range(0, length, max(length // 20, 1))})


def test_a_flipped_bit_in_any_file_is_found(bundle: Path) -> None:
    tried = 0
    for name, content in contents(bundle).items():
        for position in positions(len(content)):
            altered = bytearray(content)
            altered[position] ^= 1 << (position % 8)
            (bundle / name).write_bytes(bytes(altered))
            fault(bundle)
            tried += 1
        (bundle / name).write_bytes(content)
    assert tried > 200
    verify_bundle(bundle, ROOT.public)


@pytest.mark.sweep
def test_every_flipped_bit_in_every_file_is_found(bundle: Path) -> None:
    for name, content in contents(bundle).items():
        for bit in range(len(content) * 8):
            altered = bytearray(content)
            altered[bit // 8] ^= 1 << (bit % 8)
            (bundle / name).write_bytes(bytes(altered))
            fault(bundle)
        (bundle / name).write_bytes(content)


def test_every_flipped_bit_of_the_signature_is_found(bundle: Path) -> None:
    signature = (bundle / "manifest.sig").read_bytes()
    for bit in range(len(signature) * 8):
        altered = bytearray(signature)
        altered[bit // 8] ^= 1 << (bit % 8)
        (bundle / "manifest.sig").write_bytes(bytes(altered))
        assert "manifest.sig is not the release key's signature" in fault(bundle)


def test_every_removed_file_is_named(bundle: Path) -> None:
    for name, content in contents(bundle).items():
        (bundle / name).unlink()
        assert f"{name} is missing" in fault(bundle)
        (bundle / name).write_bytes(content)


def test_every_emptied_or_lengthened_file_is_found(bundle: Path) -> None:
    for name, content in contents(bundle).items():
        for spoiled in (b"", content + b"\n", content[:-1], b"\xff\xfe"):
            (bundle / name).write_bytes(spoiled)
            assert name in fault(bundle)
        (bundle / name).write_bytes(content)


@pytest.mark.parametrize(
    "name", ["extra.txt", ".hidden", "outputs/v3/records.csv", "evidence/more.json", "manifest.json.bak", "a\nb"]
)
def test_every_added_file_is_found(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"1\n")
    assert "was added: the manifest does not list it" in fault(bundle)


def test_an_added_empty_folder_is_found(bundle: Path) -> None:
    (bundle / "outputs/v4").mkdir()
    assert "outputs/v4 is an empty folder" in fault(bundle)


def test_a_renamed_file_is_missing_and_added(bundle: Path) -> None:
    (bundle / "outputs/v3/area.csv").rename(bundle / "outputs/v3/Area.csv")
    said = fault(bundle)
    assert "outputs/v3/area.csv is missing" in said
    assert "outputs/v3/Area.csv was added" in said


def test_two_swapped_files_are_both_found(bundle: Path) -> None:
    one, other = bundle / "outputs/v3/area.csv", bundle / "policy.json"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    said = fault(bundle)
    assert "outputs/v3/area.csv was altered" in said
    assert "policy.json was altered" in said


@pytest.mark.parametrize("kind", ["link to the same bytes", "dangling link", "linked folder", "pipe"])
def test_links_and_devices_are_found_and_never_followed(bundle: Path, tmp_path: Path, kind: str) -> None:
    path = bundle / "outputs/v3/area.csv"
    if kind == "linked folder":
        shutil.move(bundle / "outputs", tmp_path / "outputs")
        (bundle / "outputs").symlink_to(tmp_path / "outputs")
        path = bundle / "outputs"
    elif kind == "pipe":
        path.unlink()
        os.mkfifo(path)
    else:
        (tmp_path / "same").write_bytes(path.read_bytes())
        path.unlink()
        path.symlink_to(tmp_path / ("same" if kind != "dangling link" else "none"))
    assert f"{path.relative_to(bundle).as_posix()} is no regular file" in fault(bundle)


def test_all_faults_are_reported_at_once(bundle: Path) -> None:
    (bundle / "policy.json").write_bytes(b"{}")
    (bundle / "outputs/v3/area.csv").unlink()
    (bundle / "extra").write_bytes(b"")
    (bundle / "journal-head").write_bytes(b"{}")
    said = fault(bundle)
    for expected in (
        "policy.json was altered",
        "area.csv is missing",
        "extra was added",
        "journal-head is not readable",
    ):
        assert expected in said


def test_an_empty_folder_lacks_everything(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = fault(tmp_path / "empty")
    assert said.count("is missing") == 8


def test_a_message_never_shows_what_a_file_holds(bundle: Path) -> None:
    for name, content in contents(bundle).items():
        (bundle / name).write_bytes(b'{"secret":"CANARY-4711","people":[CANARY-4711]}')
        assert "CANARY" not in fault(bundle)
        (bundle / name).write_bytes(content)


@settings(max_examples=150)
@given(data=st.data())
def test_any_bytes_in_any_files_are_met_with_one_clear_error(data: st.DataObject, released: Office) -> None:
    (original,) = (released.root / "released/zicht_demo").iterdir()
    name = data.draw(st.sampled_from(sorted(contents(original))))
    before = contents(original)[name]
    junk = data.draw(
        st.one_of(
            st.binary(max_size=300),
            st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8).map(
                lambda value: json.dumps(value).encode()
            ),
            st.just(b"[" * 100_000),
            st.just(b'{"statement":' * 5_000),
        ).filter(lambda value: value != before)
    )
    (original / name).chmod(0o644)
    try:
        (original / name).write_bytes(junk)
        with pytest.raises(Tampered):
            verify_bundle(original, ROOT.public)
    finally:
        (original / name).write_bytes(before)


# another office


def test_another_offices_root_key_verifies_nothing(bundle: Path) -> None:
    with pytest.raises(Tampered) as raised:
        verify_bundle(bundle, seed_key(99).public)
    assert "release-key.json is not certified" in str(raised.value)
    assert "roster is not signed by this office's root key" in str(raised.value)


# bundles that a dishonest release service has signed: every byte holds, the people do not


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


def test_resigning_without_a_change_holds(bundle: Path) -> None:
    before = contents(bundle)
    assert contents(resigned(bundle, lambda files: None)) == before
    verify_bundle(bundle, ROOT.public)


def test_a_manifest_signed_by_another_key_is_found(bundle: Path) -> None:
    assert "manifest.sig is not the release key's signature" in fault(resigned(bundle, lambda files: None, seed_key(3)))


def test_a_release_key_that_the_office_did_not_certify_is_found(bundle: Path) -> None:
    mine = certify_release_key(seed_key(3).public, seed_key(3), valid_from=START)
    spoiled = resigned(bundle, lambda files: files.update({"release-key.json": mine}), seed_key(3))
    assert "release-key.json is not certified by this office's root key" in fault(spoiled)


def test_a_checkers_key_cannot_pass_for_a_release_key(bundle: Path) -> None:
    """A signature of the root key over a roster is of another type than one over a release key."""

    def pass_off(files: Files) -> None:
        roster = json.loads(files["roster.json"])
        files["release-key.json"] = (
            canonical_json({"statement": roster["roster"], "signature": roster["signature"]}) + b"\n"
        )

    assert "release-key.json is not certified" in fault(resigned(bundle, pass_off))


@pytest.mark.parametrize(("start", "days"), [(-400, 300), (70, 300)])
def test_a_release_key_outside_its_validity_is_refused(bundle: Path, start: int, days: int) -> None:
    other = certify_release_key(SERVICE.public, ROOT, valid_from=START + timedelta(days=start), days=days)
    spoiled = resigned(bundle, lambda files: files.update({"release-key.json": other}))
    assert "the release key was not valid at the time of release" in fault(spoiled, NotAllowed)


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph["./"]["hasPart"].pop(),
        lambda graph: graph["./"].update(identifier="v3-v1-000000000000"),
        lambda graph: graph["./"].update(datePublished="2020-01-01T00:00:00+00:00"),
        lambda graph: graph["#run"].update(agent={"@id": "#person-other"}),
        lambda graph: graph["#sign-off-p-first"].update(agent={"@id": "#person-p-third"}),
        lambda graph: graph["#sign-off-p-first"].pop("agent"),
        lambda graph: graph["./"].update({"@id": "elsewhere"}),
    ],
)
def test_a_crate_that_says_something_else_is_found_under_a_good_signature(bundle: Path, change: Any) -> None:
    def spoil(files: Files) -> None:
        crate = json.loads(files["ro-crate-metadata.json"])
        change({entity["@id"]: entity for entity in crate["@graph"]})
        files["ro-crate-metadata.json"] = json.dumps(crate).encode()

    assert "ro-crate-metadata.json does not describe these files and approvals" in fault(
        resigned(bundle, spoil), NotAllowed
    )


def test_a_missing_approval_is_refused(bundle: Path) -> None:
    for kept in (1, 0):
        spoiled = resigned(
            bundle, approvals(lambda content, kept=kept: content.update(approvals=content["approvals"][:kept]))
        )
        assert "an approval is missing" in fault(spoiled, NotAllowed)


def test_one_person_twice_is_refused(bundle: Path) -> None:
    def twice(content: Any) -> None:
        second = json.loads(json.dumps(content["approvals"][0]))
        second["journal"] = content["approvals"][1]["journal"]
        content["approvals"][1] = second

    said = fault(resigned(bundle, approvals(twice)), NotAllowed)
    assert "one person approved twice" in said
    assert "an approval is missing" in said


def test_the_author_as_checker_is_refused_even_when_the_roster_lets_them_check(bundle: Path) -> None:
    lines = [*roster_lines(), line("p-author", Role.CHECKER, KEYS["p-author"])]

    def self_check(files: Files) -> None:
        files["roster.json"] = sign_roster(lines, ROOT)
        edit(files, "approvals.json", lambda c: sign_again(c["approvals"][0], KEYS["p-author"], person="p-author"))

    assert "p-author is the author and checked their own request" in fault(resigned(bundle, self_check), NotAllowed)


def test_the_authors_key_under_another_id_is_refused(bundle: Path) -> None:
    forged = approvals(lambda content: sign_again(content["approvals"][0], KEYS["p-author"]))
    said = fault(resigned(bundle, forged), NotAllowed)
    assert "p-first is the author and checked their own request" in said
    assert "another key than the roster's" in said


def test_one_key_under_two_ids_is_refused_even_when_the_office_signed_it(bundle: Path) -> None:
    lines = [entry for entry in roster_lines() if entry.id != "p-second"]
    body = {
        "serial": 1,
        "people": [e.model_dump(mode="json") for e in [*lines, line("p-second", Role.CHECKER, KEYS["p-first"])]],
    }
    signature = ROOT.sign(PayloadType.ROSTER, canonical_json(body))

    def two_ids(files: Files) -> None:
        files["roster.json"] = canonical_json({"roster": body, "signature": signature}) + b"\n"
        edit(files, "approvals.json", lambda c: sign_again(c["approvals"][1], KEYS["p-first"]))

    said = fault(resigned(bundle, two_ids), NotAllowed)
    assert "one person under two ids" in said
    assert "one key approved under two ids" in said


def test_a_checker_outside_the_roster_is_refused(bundle: Path) -> None:
    forged = approvals(lambda content: sign_again(content["approvals"][1], seed_key(80), person="p-friend"))
    assert "p-friend does not stand in the roster" in fault(resigned(bundle, forged), NotAllowed)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"valid_until": START + timedelta(days=1)}, "did not hold"),
        ({"valid_from": END - timedelta(days=1)}, "did not hold"),
        ({"projects": ["another"]}, "p-second is no checker of project zicht_demo"),
        ({"role": Role.PUBLISHER}, "p-second does not have the role checker"),
        ({"key": seed_key(81)}, "another key"),
    ],
)
def test_a_checker_without_role_project_or_validity_when_signing_is_refused(
    bundle: Path, changed: dict[str, Any], sentence: str
) -> None:
    facts = {"role": Role.CHECKER, "key": KEYS["p-second"], **changed}
    lines = [entry for entry in roster_lines() if entry.id != "p-second"]
    roster = a_roster([*lines, line("p-second", facts.pop("role"), facts.pop("key"), **facts)])
    spoiled = resigned(bundle, lambda files: files.update({"roster.json": roster.document}))
    assert sentence in fault(spoiled, NotAllowed)


def test_an_author_who_was_no_researcher_is_refused(bundle: Path) -> None:
    lines = [entry for entry in roster_lines() if entry.id != "p-author"]
    spoiled = resigned(bundle, lambda files: files.update({"roster.json": sign_roster(lines, ROOT)}))
    assert "p-author does not stand in the roster" in fault(spoiled, NotAllowed)


def test_a_backdated_approval_is_refused_by_its_journalled_time(bundle: Path) -> None:
    """The checker's authorisation ended between the time that they wrote down and the time that the journal has."""
    ended = START + timedelta(days=30)
    lines = [entry for entry in roster_lines() if entry.id != "p-second"]

    def backdate(files: Files) -> None:
        files["roster.json"] = sign_roster(
            [*lines, line("p-second", Role.CHECKER, KEYS["p-second"], valid_until=ended)], ROOT
        )
        edit(
            files,
            "approvals.json",
            lambda c: sign_again(c["approvals"][1], KEYS["p-second"], time="2026-01-05T00:00:00+00:00"),
        )

    assert "did not hold at 2026-03-02T09:03:00+00:00" in fault(resigned(bundle, backdate), NotAllowed)


def test_an_approval_that_claims_to_be_later_than_its_journal_entry_is_refused(bundle: Path) -> None:
    later = approvals(lambda c: sign_again(c["approvals"][1], KEYS["p-second"], time="2026-04-01T00:00:00+00:00"))
    assert "p-second signed later than the journal says" in fault(resigned(bundle, later), NotAllowed)


@pytest.mark.parametrize("part", ["request", "outputs", "evidence", "policy"])
def test_an_approval_for_another_digest_is_refused(bundle: Path, part: str) -> None:
    def another(content: Any) -> None:
        subject = {**content["approvals"][0]["statement"]["subject"], part: "0" * 64}
        sign_again(content["approvals"][0], KEYS["p-first"], subject=subject)

    assert "the approval of p-first is for another digest" in fault(resigned(bundle, approvals(another)), NotAllowed)


def test_an_approval_for_another_request_is_refused(bundle: Path) -> None:
    another = approvals(lambda c: sign_again(c["approvals"][0], KEYS["p-first"], request="v3-v1-000000000000"))
    assert "the approval of p-first is for another digest" in fault(resigned(bundle, another), NotAllowed)


def test_a_rejection_does_not_pass_for_an_approval(bundle: Path) -> None:
    signed_as_approval = approvals(lambda c: sign_again(c["approvals"][0], KEYS["p-first"], action="reject"))
    assert "p-first did not approve" in fault(resigned(bundle, signed_as_approval), NotAllowed)


def test_a_signature_over_another_type_of_statement_does_not_pass(bundle: Path) -> None:
    as_decision = approvals(lambda c: sign_again(c["approvals"][0], KEYS["p-first"], PayloadType.DECISION))
    assert "an approval is not signed as it stands" in fault(resigned(bundle, as_decision))


def test_an_unsigned_change_of_a_statement_is_found(bundle: Path) -> None:
    changed = approvals(lambda c: c["approvals"][0]["statement"].update(time="2026-03-02T09:01:30+00:00"))
    assert "an approval is not signed as it stands" in fault(resigned(bundle, changed))


def test_a_submission_that_someone_else_signed_is_found(bundle: Path) -> None:
    changed = approvals(lambda c: c["submission"]["statement"].update(person="p-third"))
    assert "the submission is not signed as it stands" in fault(resigned(bundle, changed))


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


# times and the journal


@pytest.mark.parametrize("order", [[1, 3, 2], [1, 2, 2], [0, 2, 3], [1, 2, 4], [2, 1, 3]])
def test_approvals_out_of_the_journals_order_are_refused(bundle: Path, order: list[int]) -> None:
    def reorder(content: Any) -> None:
        for item, number in zip([content["submission"], *content["approvals"]], order, strict=True):
            item["journal"]["sequence"] = number

    assert "do not follow one another" in fault(resigned(bundle, approvals(reorder)), NotAllowed)


def test_an_approval_after_the_release_is_refused(bundle: Path) -> None:
    early = approvals(lambda content: content.update(released="2026-03-02T09:02:30+00:00"))
    assert "something was approved after the release" in fault(resigned(bundle, early), NotAllowed)


def test_a_release_from_the_future_is_refused(bundle: Path, released: Office) -> None:
    said = fault(bundle, NotAllowed, now=released.now - timedelta(hours=1))
    assert "a time that has not come yet" in said


def test_a_release_that_the_journal_does_not_know_is_found(bundle: Path, tmp_path: Path) -> None:
    other = Office(tmp_path / "other").open()
    assert "the journal does not hold this release: the journal file is missing" in fault(bundle, journal=other.journal)
    other.submit()
    assert "the journal does not hold this release" in fault(bundle, journal=other.journal)


def test_an_altered_journal_is_found(bundle: Path, released: Office, tmp_path: Path) -> None:
    copy = Office(tmp_path / "copy", released.roster)
    shutil.copytree(released.root, copy.root)
    text = copy.journal.file.read_bytes()
    copy.journal.file.write_bytes(text.replace(b"p-first", b"p-third"))
    assert "journal entry 2 was changed" in fault(bundle, journal=copy.journal)


def test_other_times_than_the_journals_are_found(bundle: Path, released: Office) -> None:
    earlier = approvals(lambda c: c["submission"]["journal"].update(time="2026-03-02T09:01:30+00:00"))
    said = fault(resigned(bundle, earlier), journal=released.journal)
    assert "the journal has other times" in said
