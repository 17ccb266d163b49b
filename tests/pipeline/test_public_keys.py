"""Public keys under another operating-system user: readable; the private ones beside them are not."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from enclave.entropy import SeededEntropy
from enclave.errors import KeyUnavailable, NotReady, Tampered
from enclave.signatures import PayloadType, SigningKey, load_public
from enclave.zones import Zone
from pipeline.custodian import WRITTEN_AGAIN, open_desk
from pipeline.office import Office, create_office, settings_for, utc_now
from pipeline.office_setup import set_up
from pipeline.progress import Style, Teller
from pseudonymise.age_keys import recipient_text, secret_text
from tests.conftest import CHECKOUT

STRANGER = 65534
KEYS = {"ledger.pub", "receipt.pub", "release.pub", "seal-ondermijning.pub"}


@pytest.fixture
def office() -> Iterator[Office]:
    """A new installation, in a folder that every user reaches."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        root.chmod(0o755)
        (root / "data").mkdir()
        settings = settings_for(root / "run", root / "data", CHECKOUT / "configs", project="ondermijning")
        made = create_office(root / "run", settings)
        example = made.configs / "policies" / f"{made.project.policy}.confidential.example.yaml"
        set_up(
            made, custodian=b"c", root=b"r", service=b"s", entropy=SeededEntropy(1), confidential=example, now=utc_now()
        )
        yield made


def as_stranger(office: Office, signature: str) -> None:
    """Everything that another user does with public keys, and may not do beside it; raises when one is otherwise."""
    for key in office.workspace.public_keys.iterdir():
        assert key.stat().st_mode & 0o777 == 0o444
        key.read_bytes()
    office.root_public.verify(PayloadType.ROSTER, b"roster", signature)
    load_public(office.public_key("receipt.pub"))
    with pytest.raises(PermissionError):
        list(office.workspace.path(Zone.KEY).iterdir())
    with pytest.raises(KeyUnavailable):
        SigningKey.load(office.workspace.path(Zone.KEY) / "release.pem", b"r")
    with pytest.raises(PermissionError):
        (office.workspace.public_keys / "release.pub").unlink()
    with pytest.raises(PermissionError):
        (office.workspace.public_keys / "planted.pub").write_bytes(b"x")


def test_another_user_reads_the_public_keys_and_no_private_one(office: Office) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    root = SigningKey.load(office.workspace.path(Zone.KEY) / "release.pem", b"r")
    signature = root.sign(PayloadType.ROSTER, b"roster")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(STRANGER)
            os.setuid(STRANGER)
            as_stranger(office, signature)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_public_keys_stand_in_a_folder_of_their_own_and_private_ones_stay_closed(office: Office) -> None:
    public, keys = office.workspace.public_keys, office.workspace.path(Zone.KEY)
    assert {path.name for path in public.iterdir()} == KEYS
    assert (public.stat().st_mode & 0o777, keys.stat().st_mode & 0o777) == (0o755, 0o700)
    for name in ("key-store.json", "release.pem"):
        assert (keys / name).stat().st_mode & 0o777 == 0o600
    assert office.public_key("seal-ondermijning.pub").read_text().startswith("age1")


def test_public_keys_that_are_links_are_refused(office: Office, tmp_path: Path) -> None:
    public = office.workspace.public_keys
    shutil.copytree(public, tmp_path / "elsewhere")
    shutil.rmtree(public)
    public.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Tampered, match="no links"):
        office.workspace.publish_public_keys()
    with pytest.raises(Tampered, match="no links"):
        office.public_key("seal-ondermijning.pub")
    public.unlink()
    shutil.copytree(tmp_path / "elsewhere", public)
    (public / "receipt.pub").unlink()
    (public / "receipt.pub").symlink_to(tmp_path / "elsewhere" / "receipt.pub")
    with pytest.raises(Tampered, match="no links"):
        office.workspace.publish_public_keys()
    with pytest.raises(Tampered, match="no links"):
        office.public_key("receipt.pub")


def test_a_workspace_of_an_earlier_version_says_what_to_do_and_the_custodian_mends_it(office: Office) -> None:
    shutil.rmtree(office.workspace.public_keys)
    with pytest.raises(NotReady, match="have not been published"):
        _ = office.root_public
    open_desk(office, b"c", Teller(Style.PLAIN))
    assert {path.name for path in office.workspace.public_keys.iterdir()} == KEYS
    (office.workspace.public_keys / "release.pub").chmod(0o644)
    (office.workspace.public_keys / "release.pub").write_text("altered\n")
    open_desk(office, b"c", Teller(Style.PLAIN))
    assert office.root_public.text == load_public(office.workspace.path(Zone.KEY) / "release.pub").text


def test_another_public_key_that_was_handed_out_is_told_and_journalled(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    """Healed in silence, nobody would learn that suppliers may have sealed to somebody else."""
    open_desk(office, b"c", Teller(Style.PLAIN))
    assert not [entry for entry in office.journal.entries() if entry.action == WRITTEN_AGAIN]
    copy = office.workspace.public_keys / "seal-ondermijning.pub"
    whole = copy.read_bytes()
    copy.chmod(0o644)
    copy.write_text(recipient_text(secret_text(bytes(range(32)))) + "\n")
    for _ in range(2):
        open_desk(office, b"c", Teller(Style.PLAIN))
    assert copy.read_bytes() == whole
    assert "public-keys/seal-ondermijning.pub was another key than the office's" in capsys.readouterr().err
    (told,) = (entry for entry in office.journal.entries() if entry.action == WRITTEN_AGAIN)
    assert told.subject == "public-keys/seal-ondermijning.pub"
