"""The key store file: what opens it, what does not, and that no altered byte passes."""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from enclave.entropy import SecureEntropy, SeededEntropy
from enclave.errors import BadInput, EnclaveError, KeyUnavailable, NotAllowed, Tampered
from enclave.fingerprints import canonical_json, digest_json
from pseudonymise.key_store import STORE_FILE, KeyStore, opened_by
from pseudonymise.unlocking import SHARES, TOKEN, Secret, unwrap, wrap

PASSPHRASE = b"een lange zin voor de sleutels"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    KeyStore.create(tmp_path / "keys", PASSPHRASE, ("alpha", "beta"), SeededEntropy(1))
    return tmp_path / "keys"


def rewritten(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Alter the file as someone would who knows the format but not the passphrase: with a fresh digest."""
    file = folder / STORE_FILE
    body = json.loads(file.read_bytes())
    del body["digest"]
    change(body)
    file.write_bytes(canonical_json({**body, "digest": digest_json(body)}) + b"\n")


def test_what_was_made_opens_again_and_is_closed_to_others(folder: Path) -> None:
    assert (folder / STORE_FILE).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert KeyStore.open(folder, PASSPHRASE).names() == ("alpha", "beta")


def test_the_same_seed_gives_the_same_keys_and_another_name_another_key(folder: Path, tmp_path: Path) -> None:
    other = KeyStore.create(tmp_path / "other", b"another", ("alpha",), SeededEntropy(1))
    store = KeyStore.open(folder, PASSPHRASE)
    assert store.get("alpha").reveal() == other.get("alpha").reveal()
    assert store.get("alpha").reveal() != store.get("beta").reveal()
    assert len(store.get("alpha").reveal()) == 32


def test_secure_entropy_gives_other_keys_each_time(tmp_path: Path) -> None:
    stores = [KeyStore.create(tmp_path / name, PASSPHRASE, ("alpha",), SecureEntropy()) for name in "ab"]
    assert stores[0].get("alpha").reveal() != stores[1].get("alpha").reveal()


@pytest.mark.parametrize("wrong", [b"", b"x", PASSPHRASE + b" ", PASSPHRASE[:-1]])
def test_a_wrong_passphrase_says_so_and_what_next(folder: Path, wrong: bytes) -> None:
    with pytest.raises(KeyUnavailable, match=r"does not open under this passphrase\nNext: give the passphrase"):
        KeyStore.open(folder, wrong)


def test_a_lost_file_says_so_and_what_next(folder: Path) -> None:
    store = KeyStore.open(folder, PASSPHRASE)
    (folder / STORE_FILE).unlink()
    for use in (lambda: KeyStore.open(folder, PASSPHRASE), lambda: store.get("alpha")):
        with pytest.raises(KeyUnavailable, match=r"no key store here\nNext: restore"):
            use()


def test_a_store_that_cannot_be_read_is_unavailable(folder: Path) -> None:
    (folder / STORE_FILE).unlink()
    (folder / STORE_FILE).mkdir(mode=0o700)
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        KeyStore.open(folder, PASSPHRASE)


@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o640, 0o700), (0o604, 0o700), (0o600, 0o750), (0o600, 0o701)])
def test_a_store_that_others_may_read_stays_closed(folder: Path, file_mode: int, folder_mode: int) -> None:
    (folder / STORE_FILE).chmod(file_mode)
    folder.chmod(folder_mode)
    with pytest.raises(KeyUnavailable, match="others than its owner"):
        KeyStore.open(folder, PASSPHRASE)


def test_any_flipped_byte_is_tampering(folder: Path) -> None:
    file = folder / STORE_FILE
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(Tampered, match=r"not whole.*\nNext: restore"):
            KeyStore.open(folder, PASSPHRASE)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"digest":1}'])
def test_half_a_file_or_another_is_tampering(folder: Path, content: bytes) -> None:
    (folder / STORE_FILE).write_bytes(content)
    with pytest.raises(Tampered, match="not whole"):
        KeyStore.open(folder, PASSPHRASE)


def _swapped(body: dict[str, object]) -> None:
    keys = body["keys"]
    assert isinstance(keys, dict)
    keys["alpha"], keys["beta"] = keys["beta"], keys["alpha"]


def _without_beta(body: dict[str, object]) -> None:
    keys = body["keys"]
    assert isinstance(keys, dict)
    del keys["beta"]


@pytest.mark.parametrize("change", [_swapped, _without_beta, lambda body: body.update(revision=0)])
def test_who_recomputes_the_digest_but_lacks_the_passphrase_is_found(
    folder: Path, change: Callable[[dict[str, object]], object]
) -> None:
    opened = KeyStore.open(folder, PASSPHRASE)
    rewritten(folder, change)
    for use in (lambda: KeyStore.open(folder, PASSPHRASE), lambda: opened.get("alpha")):
        with pytest.raises(Tampered, match="altered by someone without its passphrase"):
            use()


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.pop("salt"),
        lambda body: body.update(salt="x"),
        lambda body: body.update(salt="AAAA"),
        lambda body: body.pop("seal"),
        lambda body: body.update(check=None),
        lambda body: body.update(keys=[]),
        lambda body: body.update(kdf=SHARES),
        lambda body: body.update(kdf=SHARES, lock={"needed": 2, "shares": {"a": {"salt": "!", "share": 1}}}),
        lambda body: body.update(kdf=TOKEN, lock={"needed": 2}),
    ],
)
def test_who_recomputes_the_digest_of_half_a_store_is_told_so(
    folder: Path, change: Callable[[dict[str, object]], None]
) -> None:
    rewritten(folder, change)
    with pytest.raises(Tampered, match="not whole"):
        KeyStore.open(folder, PASSPHRASE)
    with pytest.raises(Tampered, match="not whole"):
        opened_by(folder)


def test_another_salt_or_check_does_not_open(folder: Path) -> None:
    rewritten(folder, lambda body: body.update(salt=base64.b64encode(bytes(16)).decode()))
    with pytest.raises(KeyUnavailable):
        KeyStore.open(folder, PASSPHRASE)


def test_a_store_of_another_format_is_refused(folder: Path) -> None:
    rewritten(folder, lambda body: body.update(kdf="argon2id t=1 p=1 m=8KiB"))
    with pytest.raises(Tampered):
        KeyStore.open(folder, PASSPHRASE)


def test_creating_over_a_store_leaves_it_as_it_is(folder: Path) -> None:
    before = (folder / STORE_FILE).read_bytes()
    with pytest.raises(BadInput, match="there is a key store already"):
        KeyStore.create(folder, b"other", ("alpha",), SecureEntropy())
    assert (folder / STORE_FILE).read_bytes() == before


def test_an_empty_passphrase_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="passphrase"):
        KeyStore.create(tmp_path / "keys", b"", ("alpha",), SecureEntropy())
    assert not (tmp_path / "keys").exists()


def test_a_store_is_not_made_where_a_file_lies(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="is a file"):
        KeyStore.create(tmp_path / "file", PASSPHRASE, ("alpha",), SecureEntropy())
    assert (tmp_path / "file").read_text() == ""


def test_a_key_is_drawn_once_and_seen_by_who_opened_earlier(folder: Path) -> None:
    first, second = KeyStore.open(folder, PASSPHRASE), KeyStore.open(folder, PASSPHRASE)
    drawn = first.get_or_draw("gamma", SecureEntropy())
    assert second.get_or_draw("gamma", SecureEntropy()).reveal() == drawn.reveal()
    assert second.get("gamma").reveal() == drawn.reveal()


def test_an_unknown_key_is_unavailable(folder: Path) -> None:
    with pytest.raises(KeyUnavailable, match=r"gamma is not in this key store\nNext: use the key store"):
        KeyStore.open(folder, PASSPHRASE).get("gamma")


def test_a_destroyed_key_is_gone_for_all_and_never_made_again(folder: Path) -> None:
    first, second = KeyStore.open(folder, PASSPHRASE), KeyStore.open(folder, PASSPHRASE)
    wrapped = json.loads((folder / STORE_FILE).read_bytes())["keys"]["beta"]
    assert first.destroy(lambda name: name == "beta") == ("beta",)
    assert wrapped.encode() not in (folder / STORE_FILE).read_bytes()
    for use in (lambda: second.get("beta"), lambda: second.get_or_draw("beta", SecureEntropy())):
        with pytest.raises(KeyUnavailable, match="was destroyed"):
            use()
    assert first.destroy(lambda name: name == "beta") == ()
    assert second.names() == ("alpha",)


def test_a_wrapped_key_is_bound_to_its_name_and_wrapping_key() -> None:
    key, value = Secret(bytes(32)), Secret(b"v" * 32)
    wrapped = wrap(key, "name", value)
    assert unwrap(key, "name", wrapped).reveal() == value.reveal()
    assert wrap(key, "name", value) != wrapped  # a fresh nonce each time
    for other_key, name, text in ((key, "other", wrapped), (Secret(b"1" * 32), "name", wrapped), (key, "name", "%%")):
        with pytest.raises(Tampered):
            unwrap(other_key, name, text)


def test_secrets_neither_print_nor_pickle(folder: Path) -> None:
    secret = Secret(b"top secret bytes")
    assert "top" not in f"{secret!r} {secret} {[secret]}"
    assert repr(KeyStore.open(folder, PASSPHRASE)) == "KeyStore(keys)"
    with pytest.raises(NotAllowed):
        pickle.dumps(secret)


def test_no_error_shows_key_or_passphrase(folder: Path) -> None:
    store = KeyStore.open(folder, PASSPHRASE)
    keys = [store.get(name).reveal() for name in store.names()]
    shown = []
    for spoil in (
        lambda: KeyStore.open(folder, PASSPHRASE + b"!"),
        lambda: store.get("gamma"),
        lambda: KeyStore.create(folder, PASSPHRASE, ("alpha",), SecureEntropy()),
        lambda: (rewritten(folder, _swapped), store.get("alpha")),
        lambda: ((folder / STORE_FILE).write_bytes(b"{"), store.get("alpha")),
    ):
        with pytest.raises(EnclaveError) as failure:
            spoil()
        shown += [*traceback.format_exception(failure.value), repr(failure.value)]
        link: BaseException | None = failure.value
        while link is not None:
            shown += [str(link), repr(link.args)]
            link = link.__cause__ or link.__context__
    everything = "".join(shown)
    for secret in (PASSPHRASE, *keys):
        for form in (repr(secret)[2:-1], secret.hex(), base64.b64encode(secret).decode()):
            assert form not in everything


_RACER = """
import sys
from pathlib import Path
from enclave.entropy import SecureEntropy
from enclave.errors import BadInput
from pseudonymise.key_store import KeyStore
folder, me = Path(sys.argv[1]), sys.argv[2].encode()
try:
    store = KeyStore.create(folder, me, ("alpha",), SecureEntropy())
    print("made")
except BadInput:
    print("late")
    store = None
"""

_DRAWER = """
import sys
from pathlib import Path
from enclave.entropy import SecureEntropy
from pseudonymise.key_store import KeyStore
store = KeyStore.open(Path(sys.argv[1]), sys.argv[2].encode())
for name in ("common", "own-" + sys.argv[3]):
    print(store.get_or_draw(name, SecureEntropy()).reveal().hex())
"""


def raced(script: str, arguments: list[list[str]]) -> list[list[str]]:
    running = [
        subprocess.Popen([sys.executable, "-c", script, *each], stdout=subprocess.PIPE, text=True) for each in arguments
    ]
    outputs = [process.communicate(timeout=60)[0].split() for process in running]
    assert [process.returncode for process in running] == [0] * len(running)
    return outputs


def test_of_processes_that_create_at_once_one_wins_and_its_store_is_whole(tmp_path: Path) -> None:
    names = ["one", "two", "three", "four"]
    outcomes = raced(_RACER, [[str(tmp_path / "keys"), name] for name in names])
    assert sorted(outcomes) == [["late"], ["late"], ["late"], ["made"]]
    winner = names[outcomes.index(["made"])]
    assert KeyStore.open(tmp_path / "keys", winner.encode()).names() == ("alpha",)


def test_processes_that_draw_keys_at_once_lose_none(folder: Path) -> None:
    drawn = raced(_DRAWER, [[str(folder), PASSPHRASE.decode(), str(n)] for n in range(4)])
    assert len({common for common, _own in drawn}) == 1
    store = KeyStore.open(folder, PASSPHRASE)
    assert [store.get(f"own-{n}").reveal().hex() for n in range(4)] == [own for _common, own in drawn]
