"""On its date everything of a delivery goes, here and in every copy; a kill in between changes nothing of the end."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pyrage
import pytest

from enclave import files
from enclave.engine.scratch import own_scratch
from enclave.errors import BadInput, EnclaveError, KeyUnavailable, NotReady, Tampered
from enclave.files import TEMPORARY_MARK
from enclave.signatures import load_public
from enclave.zones import Zone
from pipeline import expiry
from pipeline.custodian import open_desk
from pipeline.expiry import expire, plan_expiry
from pipeline.hand_in import accept_into_inbox
from pipeline.office import open_office, utc_now
from pipeline.progress import Style, Teller
from pipeline.rotation import rotate
from pseudonymise.custody import Custody
from pseudonymise.destruction import BY_STORE, BY_WORKING_COPIES, IN_HARDWARE, Certificate
from pseudonymise.unlocking import TokenLock
from pseudonymise.withdrawal import Reason
from synthetic.country import make_country
from tests.enclave.test_files import forked
from tests.output_control.killing import audited
from tests.pipeline.custodians import LAST, PROJECT, CustodiansOffice
from tests.pipeline.job import read_linked, zicht

EARLY = date(2030, 6, 30)
"""The date of the last municipality's deliveries; all others, and the project, end on 2031-12-31."""
END = date(2031, 12, 31)


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("country") / "country"
    make_country(out, persons=1000, seed=11)
    return out


def linked_office(root: Path, country: Path, **locked: object) -> CustodiansOffice:
    office = CustodiansOffice.make(root, country, **locked)  # type: ignore[arg-type]  # the locks of the parameter
    desk = office.desk()
    office.deliver(desk, retention={LAST: EARLY})
    desk.pseudonymise()
    desk.link()
    desk.custody.close()
    return office


@pytest.fixture(scope="module")
def standing(country: Path, tmp_path_factory: pytest.TempPathFactory) -> CustodiansOffice:
    return linked_office(tmp_path_factory.mktemp("standing") / "office", country)


@pytest.fixture
def office(standing: CustodiansOffice, tmp_path: Path) -> CustodiansOffice:
    return standing.at(tmp_path / "office")


def expired(office: CustodiansOffice, on: date) -> tuple[Certificate, ...]:
    """As ``zicht expire`` does on that day."""
    desk = open_desk(open_office(office.root / "run"), office.given, Teller(Style.PLAIN), expiring=True)
    try:
        return expire(desk, plan_expiry(desk, on, today=END + timedelta(days=9)), utc_now())
    finally:
        desk.custody.close()


def of_the_last(office: CustodiansOffice) -> list[Path]:
    """Every file with rows of the last municipality, sealed ones too."""
    run = office.root / "run"
    tables = [path for path in run.rglob("*.parquet") if LAST in path.parts]
    return sorted([*tables, *(run / "inbox").glob(f"{LAST}-*.zicht")])


def readable(path: Path, custody: Custody) -> bool:
    """Whether anybody with the key store reads anything of a file."""
    try:
        if path.suffix == ".zicht":
            pyrage.decrypt(path.read_bytes(), [pyrage.x25519.Identity.from_str(custody.seal_identity(PROJECT))])
        else:
            pq.read_table(path, decryption_properties=custody.decryption())
    except (EnclaveError, pyrage.DecryptError):
        return False
    return True


def test_expired_deliveries_cannot_be_read_even_from_a_backup_and_the_others_stand(
    office: CustodiansOffice, tmp_path: Path
) -> None:
    own, run = of_the_last(office), office.root / "run"
    matched = [*run.glob(f"keys/{PROJECT}/matches-*.parquet"), *run.glob(f"keys/{PROJECT}/labelled-*.parquet")]
    matched += (run / "identified/review").glob("*.parquet")
    assert len(matched) == 2 * 3  # names, numbers and samples of two keys, with those of other suppliers
    assert {path.relative_to(run).parts[0] for path in own} == {"inbox", "identified", "pseudonymised"}
    files = own + matched
    assert all(readable(path, office.desk().custody) for path in files)
    backup = tmp_path / "backup"
    shutil.copytree(office.root / "run", backup, ignore=shutil.ignore_patterns("key-store.json", "data-keys"))
    certificates = expired(office, EARLY)
    custody = office.desk().custody
    assert of_the_last(office) == []
    copies = [backup / path.relative_to(office.root / "run") for path in files]
    assert len(own) == 3 * 4  # three deliveries: sealed, accepted, in quarantine, pseudonymised
    assert not any(readable(path, custody) for path in copies)
    others = [p for p in backup.rglob("*.parquet") if "kadaster" in p.parts]
    assert others
    assert all(readable(path, custody) for path in others)
    assert sorted(c.destroyed.name[:6] for c in certificates if c.destroyed.kind == "delivery") == [LAST] * 3
    hemp = next(c.destroyed.files for c in certificates if "hemp" in c.destroyed.name)
    assert {path.relative_to(run).as_posix() for path in matched} <= set(hemp)
    _, debts = sorted((c for c in certificates if c.destroyed.kind == "data set"), key=lambda c: c.destroyed.name)
    assert (debts.destroyed.name, debts.means) == ("debts", BY_WORKING_COPIES)
    assert [key.rpartition("/")[0] for key in debts.destroyed.keys] == [
        "data/ondermijning/debts/2030-06-30",
        "retention/ondermijning",
    ]
    with pytest.raises(KeyUnavailable, match="kept until 2030-06-30"):
        read_linked(backup / "linked" / PROJECT / "debts.parquet", office.root / "run")
    with pytest.raises(KeyUnavailable, match="was destroyed"):
        custody.data_key(PROJECT, "debts", EARLY)
    assert read_linked(backup / "linked" / PROJECT / "transfers.parquet", office.root / "run").num_rows


def test_what_is_left_is_linked_without_the_expired_deliveries(office: CustodiansOffice) -> None:
    rows, transfers = office.linked("debts").num_rows, office.linked("transfers")
    expired(office, EARLY)
    assert not (office.root / "run/linked" / PROJECT / "debts.parquet").exists()
    desk = office.desk()
    desk.pseudonymise()
    desk.link()
    assert 0 < office.linked("debts").num_rows < rows
    assert office.linked("transfers") == transfers


def test_a_certificate_says_what_went_and_is_signed_and_journalled(office: CustodiansOffice) -> None:
    expired(office, EARLY)
    key = load_public(office.root / "run/public-keys/receipt.pub")
    handed_out = sorted((office.root / "run/inbox/receipts").glob("*.destroyed.json"))
    assert len(handed_out) == 3
    journal = office.desk().office.journal
    journal.verify()
    entries = {e.details["certificate"]: e for e in journal.entries() if e.action == "destroyed"}
    for path in handed_out:
        found = Certificate.load(path, key)
        assert found.digest() in entries
        assert found.means == BY_STORE
        assert found.destroyed.retention_date == EARLY
        assert "retention/ondermijning/2030-06-30" in found.destroyed.keys
        assert len(found.destroyed.files) == (4 + 2 * 4 if "hemp" in path.name else 4)  # and what matching left
        changed = path.read_bytes().replace(b"2030-06-30", b"2030-06-29", 1)
        path.chmod(0o600)
        path.write_bytes(changed)
        with pytest.raises(Tampered):
            Certificate.load(path, key)


def test_nothing_goes_before_its_date(office: CustodiansOffice) -> None:
    before = {p: p.read_bytes() for p in (office.root / "run").rglob("*") if p.is_file() and "public" not in p.name}
    assert expired(office, EARLY - timedelta(days=1)) == ()
    assert {p: p.read_bytes() for p in before} == before
    with pytest.raises(BadInput, match="not before"):
        plan_expiry(office.desk(), EARLY, today=EARLY - timedelta(days=1))


def test_a_delivery_that_waits_is_received_before_the_key_that_opens_it_goes(
    standing: CustodiansOffice, country: Path, tmp_path: Path
) -> None:
    office = CustodiansOffice.make(tmp_path / "office", country)
    desk = office.desk()
    office.deliver(desk, LAST, retention={LAST: EARLY})
    sealed = next((standing.root / "run/inbox").glob("kadaster-*.zicht"))
    shutil.copyfile(sealed, office.root / "run/inbox" / sealed.name)
    with pytest.raises(NotReady, match="1 sealed deliveries wait"):
        plan_expiry(desk, EARLY, today=EARLY)


def test_nothing_is_certified_as_long_as_a_run_that_saw_it_may_hold_plain_rows(office: CustodiansOffice) -> None:
    scratch = office.root / "run/scratch"
    with own_scratch(scratch) as lives:
        killed = scratch / "engine-killed"
        killed.mkdir(mode=0o700)
        (killed / "rows.parquet").write_bytes(b"plain")
        if os.geteuid() == 0:  # and of another user
            os.chown(killed, 7001, 7001)
        with pytest.raises(NotReady, match=rf"not certified[\s\S]*scratch/{lives.name} of user "):
            expired(office, EARLY)
        assert not killed.exists()
        assert "retention/ondermijning/2030-06-30" in office.desk().custody.store.destroyed()
        with own_scratch(scratch), pytest.raises(NotReady, match="not certified"):
            expired(office, EARLY)
        certificates = [
            *(office.root / "run").glob("*/certificates/*"),
            *(office.root / "run").rglob("*.destroyed.json"),
        ]
        assert certificates == []
    with own_scratch(scratch):  # of after the keys had gone
        assert len(expired(office, EARLY)) == 5


def test_a_torn_or_foreign_working_copy_of_a_key_is_named_and_linking_mends_it(office: CustodiansOffice) -> None:
    (copy,) = (office.root / "run/data-keys" / PROJECT).glob("debts.*.key")
    whole, rows = copy.read_bytes(), office.linked("debts")
    for wrong in (whole[:20], b"", bytes(32).hex().encode()):
        copy.chmod(0o600)
        copy.write_bytes(wrong)
        assert not office.desk().link().ran
        assert copy.read_bytes() == whole
    assert office.linked("debts") == rows


def test_suppliers_seal_to_the_new_key_and_the_old_one_is_told_apart(office: CustodiansOffice, tmp_path: Path) -> None:
    late = next((office.root / "run/inbox").glob("kadaster-*.zicht"))
    kept = tmp_path / late.name
    shutil.copyfile(late, kept)
    before = (office.root / f"run/public-keys/seal-{PROJECT}.pub").read_text()
    expired(office, EARLY)
    assert (office.root / f"run/public-keys/seal-{PROJECT}.pub").read_text() != before
    desk = office.desk()
    intake = desk.receive(accept_into_inbox(desk.office, [kept]), again=True)
    assert "sealed to another key" in intake.refused[0].message


def test_at_the_end_of_the_project_nothing_of_it_can_be_read_or_linked_again(
    office: CustodiansOffice, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(office.root / "run", backup, ignore=shutil.ignore_patterns("key-store.json"))
    expired(office, END)
    run = office.root / "run"
    left = [p.relative_to(run).as_posix() for p in run.rglob("*.parquet")]
    assert left == []
    custody = office.desk().custody
    encrypted = [path for path in backup.rglob("*.parquet") if path.read_bytes()[:4] == b"PARE"]
    assert len(encrypted) > 20
    assert not any(readable(path, custody) for path in [*encrypted, *backup.rglob("*.zicht")])
    with pytest.raises(KeyUnavailable):
        custody.hash_with(PROJECT, "bsn")
    assert custody.store.names() == ("ledger-units", "receipt")


def test_the_old_version_of_the_hash_keys_goes_on_its_date(office: CustodiansOffice) -> None:
    rotate(office.desk(), utc_now().date())
    (certificate,) = expired(office, utc_now().date())
    assert certificate.destroyed.keys == ("hash-master/v1",)
    with pytest.raises(KeyUnavailable, match="was destroyed"):
        office.desk().custody.hash_with(PROJECT, "bsn", 1)
    office.desk().link()


def test_the_command_shows_what_would_go_and_destroys_nothing_unless_told(office: CustodiansOffice) -> None:
    rotate(office.desk(), utc_now().date())
    secret = office.root / "secret"
    secret.write_bytes(b"custodian")
    secret.chmod(0o600)
    where = ("--workspace", office.root / "run", "--passphrase-file", secret)
    asked = zicht("expire", *where)
    assert asked.code == BadInput.exit_code
    assert "keys hash-master/v1" in asked.out
    assert "nothing was destroyed" in asked.err
    assert "hash-master/v1" in office.desk().custody.store.names()
    assert zicht("expire", *where, "--yes").code == 0
    assert "hash-master/v1" in office.desk().custody.store.destroyed()
    again = zicht("expire", *where, "--yes")
    assert (again.code, again.out) == (0, "nothing has reached its date\n")
    journal = office.desk().office.journal
    used = [entry for entry in journal.entries() if entry.action == "keys used" and entry.subject == "rotate"]
    assert f"hash hash/{PROJECT}/bsn/v1/aes-cmac" in used[0].details
    assert f"hash hash/{PROJECT}/bsn/v2/aes-cmac" in used[0].details


def test_a_key_store_put_back_from_a_copy_is_noticed_and_its_dead_keys_die_again(
    office: CustodiansOffice, tmp_path: Path
) -> None:
    store = office.root / "run/keys/key-store.json"
    shutil.copyfile(store, tmp_path / "copy")
    frame = next(path for path in of_the_last(office) if path.suffix == ".parquet")
    shutil.copyfile(frame, tmp_path / "frame")
    expired(office, EARLY)
    shutil.copyfile(tmp_path / "copy", store)
    with pytest.raises(Tampered, match="was set back: 4 keys"):
        office.desk()
    assert expired(office, EARLY)
    assert not readable(tmp_path / "frame", office.desk().custody)


def test_with_a_token_a_copy_of_everything_on_disk_brings_nothing_back(
    country: Path, token_lock: TokenLock, tmp_path: Path
) -> None:
    office = linked_office(tmp_path / "office", country, lock=token_lock, given=token_lock.pin)
    backup = office.at(tmp_path / "backup")
    certificates = expired(office, EARLY)
    assert {c.means for c in certificates if c.destroyed.kind == "delivery"} == {IN_HARDWARE}
    custody = Custody.open(backup.root / "run" / Zone.KEY.value, token_lock.pin)
    for path in of_the_last(backup):
        assert not readable(path, custody), path.name
    assert any(readable(path, custody) for path in (backup.root / "run").rglob("kadaster/*.parquet"))
    custody.close()


def half_written(office: CustodiansOffice) -> list[Path]:
    return list((office.root / "run").rglob(f"*{TEMPORARY_MARK}*"))


def at_the_half_written(name: str, do: Callable[[], object]) -> None:
    """``do`` something in this process when a file of that name is whole but for its name."""
    durable = files.sync_folder

    def interrupted(path: Path) -> None:
        if path.name.startswith(f".{name}{TEMPORARY_MARK}"):
            do()
        durable(path)

    files.sync_folder = interrupted  # in a fork


def withdraw_hemp(office: CustodiansOffice) -> None:
    (name,) = (path.stem for path in (office.root / "run/identified/receipts").glob(f"{LAST}-hemp*"))
    office.desk().withdraw(name, Reason.ERRORS)


def test_what_killed_commands_left_half_written_goes_at_a_withdrawal_and_at_an_expiry(
    office: CustodiansOffice, tmp_path: Path
) -> None:
    for name, command in (("clearances.parquet", "link"), ("matches-clearances-occupant.parquet", "pseudonymise")):

        def killed(name: str = name, command: str = command) -> None:
            at_the_half_written(name, lambda: os.kill(os.getpid(), signal.SIGKILL))
            getattr(office.desk(), command)(again=True)

        assert os.WIFSIGNALED(forked(killed))
    assert len(half_written(office)) == 2
    other = office.at(tmp_path / "other")
    withdraw_hemp(office)
    expired(other, EARLY)
    assert half_written(office) + half_written(other) == []


def test_between_keys_and_files_of_a_killed_expiry_nothing_is_linked(office: CustodiansOffice) -> None:
    def killed() -> None:
        expiry._remove = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # in a fork
        expired(office, EARLY)

    assert os.WIFSIGNALED(forked(killed))
    with pytest.raises(NotReady, match=r"broken off[\s\S]*zicht expire"):
        office.desk().link()


def test_a_withdrawal_waits_for_a_command_in_another_terminal_and_takes_back_what_it_made(
    office: CustodiansOffice,
) -> None:
    heard, told = os.pipe()

    def linked() -> None:
        at_the_half_written("clearances.parquet", lambda: (os.write(told, b"x"), time.sleep(1)))
        office.desk().link(again=True)

    if not (child := os.fork()):
        os._exit(os.waitstatus_to_exitcode(forked(linked)))
    os.read(heard, 1)
    withdraw_hemp(office)
    assert os.waitpid(child, 0)[1] == 0
    assert half_written(office) == list((office.root / "run/data-keys").rglob("*.key")) == []


def content(office: CustodiansOffice) -> dict[str, object]:
    """Names of all files; the bytes of certificates but for what a clock or the journal's length changes."""
    run = office.root / "run"
    custody = office.desk().custody
    files = [p.relative_to(run).as_posix() for p in sorted(run.rglob("*")) if p.is_file() and ".part-" not in p.name]
    said = [Certificate.model_validate_json(p.read_bytes()).destroyed for p in sorted(run.glob("keys/certificates/*"))]
    return {"files": files, "said": said, "keys": custody.store.names(), "gone": custody.store.destroyed()}


@pytest.mark.parametrize("points", [range(10, 9000, 61), pytest.param(range(1, 9000, 7), marks=pytest.mark.sweep)])
def test_killed_at_any_file_operation_a_second_run_ends_the_same(
    standing: CustodiansOffice, tmp_path: Path, points: range
) -> None:
    whole = standing.at(tmp_path / "whole")
    expired(whole, EARLY)
    expected = content(whole)
    for point in points:
        office = standing.at(tmp_path / str(point))
        if not audited(lambda office=office: expired(office, EARLY), point):  # type: ignore[misc]  # mypy infers no default
            break
        expired(office, EARLY)
        assert content(office) == expected, point
        assert half_written(office) == [], point
        said = [entry.subject for entry in office.desk().office.journal.entries() if entry.action == "destroyed"]
        assert sorted(said) == sorted(set(said)), point
        assert len(said) == len(expected["said"]), point  # type: ignore[arg-type]  # a list
        office.desk().office.journal.verify()
        shutil.rmtree(office.root)
    else:
        raise AssertionError("the last point was within the expiry: take more")
    assert point > points.start + 5 * points.step
