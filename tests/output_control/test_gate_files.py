"""The gate's own files: none changes, comes or goes unless its user accepts it; the journal tells nothing of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from enclave.errors import BadInput, KeyUnavailable, NotReady, Tampered
from enclave.journal import Journal
from output_control.gate_files import ACCEPTED, GateFiles
from output_control.ledger.keys import KEYS_FILE, LedgerKeys
from output_control.ledger.store import Ledger
from tests.output_control.desk import START
from tests.output_control.ledger_world import UNTIL, a_ledger

FILES = ("cbs_ra.confidential.yaml", "commitment.salt", "noise.key", "signing.pem")


@pytest.fixture
def gate(tmp_path: Path) -> GateFiles:
    """A gate whose files were accepted."""
    ledger = a_ledger(tmp_path)
    for number, name in enumerate(FILES):
        (tmp_path / "gate-keys" / name).write_bytes(bytes([65 + number]) * 40)
    found = GateFiles(tmp_path / "gate-keys", ledger, Journal(tmp_path / "journal"))
    found.check(START)
    return found


def entries(gate: GateFiles) -> int:
    return sum(entry.action == ACCEPTED for entry in gate.journal.entries())


@pytest.mark.parametrize("name", FILES)
def test_a_changed_a_missing_and_a_new_file_are_refused_and_nothing_is_written(gate: GateFiles, name: str) -> None:
    file = gate.folder / name
    kept = file.read_bytes()
    for content, said in ((b"A" * 39 + b"Z", "was changed"), (None, "is missing")):
        file.write_bytes(content) if content else file.unlink()
        with pytest.raises(Tampered, match=f"{re.escape(name)} {said}") as raised:
            gate.check(START)
        assert raised.value.where == name
        assert "gate accept" in (raised.value.next_step or "")
        assert "AAA" not in str(raised.value)
    file.write_bytes(kept)
    (gate.folder / "eurostat.confidential.yaml").write_bytes(kept)
    with pytest.raises(Tampered, match=r"eurostat\.confidential\.yaml is new"):
        gate.check(START)
    (gate.folder / "eurostat.confidential.yaml").unlink()
    gate.check(START)
    assert entries(gate) == 1


def test_only_what_is_named_is_accepted_and_what_was_before_is_refused_from_then_on(gate: GateFiles) -> None:
    policy, noise = gate.folder / FILES[0], gate.folder / FILES[2]
    before = policy.read_bytes(), noise.read_bytes()
    policy.write_bytes(b"another")
    noise.write_bytes(b"flipped")
    with pytest.raises(Tampered, match=r"other files of the gate's are not as accepted: noise\.key was changed"):
        gate.accept([policy.name], START)
    noise.write_bytes(before[1])
    with pytest.raises(BadInput, match="no file of the gate's that was changed"):
        gate.accept([policy.name, noise.name], START)
    with pytest.raises(BadInput, match=r"elsewhere: [\s\S]*name what was: cbs_ra\.confidential\.yaml was changed"):
        gate.accept(["elsewhere"], START)
    gate.accept([policy.name], START)
    gate.check(START)
    policy.write_bytes(before[0])
    with pytest.raises(Tampered, match="was changed"):
        gate.check(START)
    policy.unlink()
    gate.accept([policy.name], START)
    gate.check(START)
    assert entries(gate) == 3


def test_what_others_write_in_the_journal_is_passed_over(gate: GateFiles) -> None:
    (first,) = gate.journal.entries()
    (gate.folder / FILES[1]).write_bytes(b"another")
    gate.accept([FILES[1]], START)
    for details in (
        first.details,
        {**first.details, "serial": 9},
        {"serial": 8, "files": {}, "mac": "é"},
        {"files": 1},
    ):
        gate.journal.append(actor="r", action=ACCEPTED, subject="gate", details=details, now=START)
    gate.check(START)


def test_the_journal_tells_nothing_of_a_file_and_is_of_one_gate(gate: GateFiles, tmp_path: Path) -> None:
    (entry,) = gate.journal.entries()
    listed = entry.details["files"]
    assert isinstance(listed, dict)
    assert set(listed) == set(FILES)
    shutil.copytree(gate.folder, tmp_path / "other/gate-keys", ignore=shutil.ignore_patterns(KEYS_FILE))
    other = GateFiles(tmp_path / "other/gate-keys", a_ledger(tmp_path / "other"), Journal(tmp_path / "other/journal"))
    other.ledger.keys._main = bytes(32)
    assert other._found().keys() == listed.keys()
    assert not set(other._found().values()) & set(listed.values())


def test_under_other_ledger_keys_nothing_is_accepted(gate: GateFiles) -> None:
    (gate.folder / FILES[0]).write_bytes(b"another")
    gate.ledger.keys._main = bytes(32)
    lost = GateFiles(gate.folder, Ledger(gate.ledger.folder, gate.ledger.keys), gate.journal)
    for act in (lambda: lost.check(START), lambda: lost.accept([FILES[0]], START)):
        with pytest.raises(Tampered, match="under another key"):
            act()
    assert entries(gate) == 1


def test_who_cannot_read_the_gate_is_told_so(gate: GateFiles) -> None:
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        GateFiles(gate.folder / "none", gate.ledger, gate.journal).check(START)


def test_any_other_byte_in_the_file_of_the_ledgers_keys_is_refused(gate: GateFiles) -> None:
    gate.ledger.keys.of_date(UNTIL)
    file = gate.folder / KEYS_FILE
    whole = file.read_bytes()
    assert LedgerKeys.open(gate.folder).of_date(UNTIL) == gate.ledger.keys.of_date(UNTIL)
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(Tampered, match="not whole"):
            LedgerKeys.open(gate.folder)


def test_keys_of_an_earlier_version_are_read_and_written_with_a_check(gate: GateFiles) -> None:
    file = gate.folder / KEYS_FILE
    file.write_bytes(gate.ledger.keys._content("zicht-ledger-keys/1"))
    assert b"check" not in file.read_bytes()
    LedgerKeys.open(gate.folder).of_date(UNTIL)
    assert b"check" in file.read_bytes()


def test_where_nothing_was_accepted_yet_naming_one_file_accepts_no_other(tmp_path: Path) -> None:
    gate = GateFiles(tmp_path / "gate-keys", a_ledger(tmp_path), Journal(tmp_path / "journal"))
    (gate.folder / FILES[0]).write_bytes(b"policy")
    with pytest.raises(NotReady, match="zicht check"):
        gate.accept(["elsewhere"], START)
    assert entries(gate) == 0
