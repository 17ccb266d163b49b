"""One byte of one file of a finished job is another: it is refused, naming the file, or the file is made again.

Files of key tables and of zones that the journal knows by digest: :mod:`tests.pipeline.test_bad_states`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from enclave.errors import BadInput, EnclaveError, KeyUnavailable, Tampered
from enclave.signatures import SigningKey
from pipeline.custodian import CustodianDesk, open_desk
from pipeline.hand_in import in_inbox
from pipeline.office import open_office
from pipeline.progress import Style, Teller
from tests.pipeline.job import Done, Job, copied_job, zicht_here
from tests.pipeline.test_bad_states import flip

pytestmark = pytest.mark.xdist_group("small-job")

GATE = (
    "cbs_ra.confidential.yaml",
    "commitment.salt",
    "ledger-keys.json",
    "noise.key",
    "release-key.json",
    "signing.pem",
    "signing.pub",
)
HANDED_OUT = ("ledger.pub", "receipt.pub", "seal-ondermijning.pub")
REFUSED = (BadInput.exit_code, Tampered.exit_code, KeyUnavailable.exit_code)
READ_BY_PEOPLE = ("people/", "office.yaml")
"""What people write and keep: a key opens no more, or as another; settings are what they say."""


@pytest.fixture(scope="module")
def job(small_job: Job, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A copy; each test puts back what it spoiled."""
    return copied_job(small_job, tmp_path_factory.mktemp("flipped"))


@pytest.fixture(scope="module")
def desk(job: Job) -> CustodianDesk:
    return desk_of(job)


def desk_of(job: Job) -> CustodianDesk:
    passphrase = (job.workspace / "people/custodian/passphrase").read_bytes()
    return open_desk(open_office(job.workspace), passphrase, Teller(Style.PLAIN))


def spoiled(path: Path, request: pytest.FixtureRequest) -> bytes:
    """Flip a byte until the test ends; returns what was there."""
    kept, mode = path.read_bytes(), path.stat().st_mode

    def put_back() -> None:
        path.unlink(missing_ok=True)
        path.write_bytes(kept)
        path.chmod(mode)

    request.addfinalizer(put_back)
    flip(path)
    return kept


@pytest.mark.parametrize("name", GATE)
def test_the_gate_goes_on_with_no_file_that_was_not_accepted(
    name: str, job: Job, request: pytest.FixtureRequest
) -> None:
    file = job.workspace / "gate" / name
    spoiled(file, request)
    before = (job.workspace / "journal/journal.jsonl").read_bytes()
    for command in (("ledger", "verify"), ("check", "doorsluishuizen")):
        done = job.zicht_here(*command)
        assert (done.code, name in done.err, "Traceback" in done.err) == (6, True, False), done.said
    assert (job.workspace / "journal/journal.jsonl").read_bytes() == before


def test_the_office_changes_its_confidential_policy_by_accepting_it(job: Job, request: pytest.FixtureRequest) -> None:
    file, salt = job.workspace / "gate/cbs_ra.confidential.yaml", job.workspace / "gate/commitment.salt"
    kept = file.read_bytes()
    request.addfinalizer(lambda: file.write_bytes(kept))
    changed, times = re.subn(rb"p_percent: *\d+", b"p_percent: 12", kept)
    assert times == 1
    file.write_bytes(changed)
    flip(salt)
    assert job.zicht_here("gate", "accept", file.name).code == 6, "the salt was changed too"
    flip(salt)
    file.write_bytes(changed.replace(b"p_percent: 12", b"p_percent: never"))
    assert job.zicht_here("gate", "accept", file.name).code == 4, "a policy that does not hold"
    file.write_bytes(changed)
    assert job.zicht_here("ledger", "verify").code == 6
    assert job.zicht_here("gate", "accept", file.name).code == 0
    assert job.zicht_here("ledger", "verify").code == 0
    file.write_bytes(kept)
    assert job.zicht_here("ledger", "verify").code == 6, "what was before is set back"
    assert job.zicht_here("gate", "accept", file.name).code == 0


@pytest.mark.parametrize("name", HANDED_OUT)
def test_a_public_key_that_is_not_the_offices_is_not_handed_out(
    name: str, job: Job, desk: CustodianDesk, request: pytest.FixtureRequest
) -> None:
    kept = spoiled(job.workspace / "keys" / name, request)
    with pytest.raises(Tampered) as raised:
        desk_of(job)
    assert raised.value.where == f"keys/{name}"
    assert raised.value.next_step
    assert (job.workspace / "public-keys" / name).read_bytes() == kept


def test_a_public_key_that_is_missing_or_whose_copy_was_changed_is_written_again(
    job: Job, desk: CustodianDesk, request: pytest.FixtureRequest
) -> None:
    kept = {name: spoiled(job.workspace / "public-keys" / name, request) for name in HANDED_OUT}
    for name in ("receipt.pub", "seal-ondermijning.pub"):
        (job.workspace / "keys" / name).unlink()
    desk_of(job)
    for name in HANDED_OUT:
        for folder in ("keys", "public-keys"):
            assert (job.workspace / folder / name).read_bytes() == kept[name]


@pytest.mark.parametrize("kind", ["identified/findings", "identified/receipts", "identified/quarantine/kadaster"])
def test_what_receiving_left_is_as_it_was(
    kind: str, job: Job, desk: CustodianDesk, request: pytest.FixtureRequest
) -> None:
    file = next(iter(sorted((job.workspace / kind).iterdir())))
    spoiled(file, request)
    said = ""
    try:
        said = " ".join(map(str, desk.receive(in_inbox(desk.office)).refused))
    except Tampered as error:
        said = str(error)
    assert file.name in said


def test_the_copy_of_a_receipt_for_its_supplier_is_written_again(
    job: Job, desk: CustodianDesk, request: pytest.FixtureRequest
) -> None:
    first, taken, *_ = sorted((job.workspace / "inbox/receipts").glob("*.json"))
    kept = spoiled(first, request)
    spoiled(taken, request)
    taken.unlink()
    key = job.workspace / "public-keys/receipt.pub"
    assert zicht_here("receipt", "verify", first, "--key", key).code == 6
    assert not desk.receive(in_inbox(desk.office)).refused
    assert first.read_bytes() == kept
    assert not taken.exists(), "one that was taken away stays away"


def test_the_working_key_of_a_data_set_is_handed_out_again(
    job: Job, desk: CustodianDesk, request: pytest.FixtureRequest
) -> None:
    file = next(iter(sorted((job.workspace / "data-keys/ondermijning").glob("dwellings.*.key"))))
    tag = job.workspace / "data-keys/CACHEDIR.TAG"
    kept, marked = spoiled(file, request), spoiled(tag, request)
    done = job.zicht_here("run", "doorsluishuizen", "--again")
    assert (done.code, "zicht link" in done.err) == (6, True), done.said
    assert not desk.link().ran
    assert (file.read_bytes(), tag.read_bytes()) == (kept, marked)


@pytest.mark.parametrize(("key", "passphrase"), [("keys/release", "root"), ("people/c-els/c-els", "c-els")])
def test_a_signing_key_opens_as_no_other_key(
    key: str, passphrase: str, job: Job, request: pytest.FixtureRequest
) -> None:
    file = job.workspace / f"{key}.pem"
    secret = (job.workspace / "people" / passphrase / "passphrase").read_bytes().rstrip(b"\n")
    SigningKey.load(file, secret)
    spoiled(file.with_suffix(".pub"), request)
    with pytest.raises(Tampered, match="do not belong together"):
        SigningKey.load(file, secret)


def kinds(workspace: Path) -> dict[str, Path]:
    """One file of every kind: names without what tells one delivery, data set or release from another."""
    found: dict[str, Path] = {}
    for path in sorted(workspace.rglob("*")):
        name = path.relative_to(workspace).as_posix()
        if not path.is_file() or path.is_symlink() or ".lock" in name or name.startswith((*READ_BY_PEOPLE, "scratch")):
            continue
        kind = re.sub(r"GM\d+|kadaster|\d+-12-31\.[0-9a-f]+|[0-9a-f]{8,}|\d+", "#", name)
        kind = re.sub(r"(hemp_clearances|debt_assistance|property_tax|land_registry)", "delivery", kind)
        kind = re.sub(r"^((?:data-keys|linked)/\w+)/[a-z]\w+(\.\S*key|\.parquet)", r"\1/*\2", kind)
        found.setdefault(re.sub(r"linkage_quality-.*svg", "linkage_quality-*.svg", kind), path)
    return found


def as_custodian(job: Job) -> Done:
    """``zicht receive``, ``pseudonymise`` and ``link``, with the key store opened once."""
    try:
        desk = desk_of(job)
        refused = desk.receive(in_inbox(desk.office)).refused
        desk.pseudonymise()
        desk.link()
    except EnclaveError as error:
        return Done(error.exit_code, "", str(error))
    return Done(2 if refused else 0, "", " ".join(map(str, refused)))


@pytest.mark.sweep
def test_a_flipped_byte_in_any_kind_of_file_is_refused_or_made_again(job: Job, tmp_path: Path) -> None:
    workspace = job.workspace
    service, root = (("--passphrase-file", workspace / f"people/{who}/passphrase") for who in ("service", "root"))
    (request,) = (path.name for path in workspace.glob("review/doorsluishuizen-*"))
    commands: list[Callable[[], Done]] = [
        lambda: as_custodian(job),
        lambda: job.zicht_here("run"),
        lambda: job.zicht_here("check", "doorsluishuizen"),
        lambda: job.zicht_here("ledger", "verify"),
        lambda: job.zicht_here("journal", "verify"),
        lambda: job.zicht_here("review", "show", request),
        lambda: job.zicht_here("release", request, *service),
        lambda: job.zicht_here("roster", "sign", workspace / "people/people.yaml", "--serial", "1", *root),
    ]
    assert [command().code for command in commands] == [0] * len(commands)
    kept = tmp_path / "kept"
    shutil.copytree(workspace, kept, symlinks=True)
    unseen = []
    for kind, path in kinds(workspace).items():
        before = path.read_bytes()
        flip(path)
        refused = next((done for command in commands if (done := command()).code), None)
        if refused is None and path.read_bytes() != before:
            unseen.append(kind)
        elif refused is not None and (refused.code not in REFUSED or "Traceback" in refused.err):
            unseen.append(f"{kind}: {refused}")
        shutil.rmtree(workspace)
        shutil.copytree(kept, workspace, symlinks=True)
    assert unseen == []
