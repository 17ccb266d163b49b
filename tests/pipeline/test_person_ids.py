"""A person's id goes into file names, the roster and signed statements: an unusable one is refused where it enters."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from enclave.entropy import SeededEntropy
from enclave.errors import BadInput
from enclave.signatures import SigningKey
from output_control import review
from output_control.review.roster import Role, authorisation
from pipeline.main import app
from pipeline.office_setup import new_personal_key, read_people
from tests.output_control.desk import KEYS, Office

UNUSABLE = [
    "x y",
    "a/b",
    "../a",
    "..",
    "a\nb",
    "a\x00b",
    "c-dirk\n",
    "-rf",
    "",
    "x",
    "C-Dirk",
    "jan.smit",
    "é-dirk",
    "a" * 64,
]
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("person", UNUSABLE)
def test_no_key_is_made_for_an_unusable_id(tmp_path: Path, person: str) -> None:
    with pytest.raises(BadInput, match="no person's id: an id has 2 to 63 lower-case letters"):
        new_personal_key(tmp_path / "own", b"secret", SeededEntropy(1), person=person)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("person", UNUSABLE)
def test_no_roster_line_is_made_for_an_unusable_id(person: str) -> None:
    with pytest.raises(BadInput, match="no person's id"):
        authorisation(
            person, Role.CHECKER, KEYS["p-first"].public, valid_from=START, valid_until=END, projects=["demo"]
        )


@pytest.mark.parametrize("person", ["c-dirk", "r-anna", "01", "a" * 63])
def test_a_usable_id_gets_its_key(tmp_path: Path, person: str) -> None:
    assert new_personal_key(tmp_path / "own", b"secret", SeededEntropy(1), person=person).name == f"{person}.pub"


def test_all_unusable_ids_of_a_people_file_are_told_by_their_entries_and_not_repeated(tmp_path: Path) -> None:
    ids = ["c-dirk", "Jan Smit", "c-els", "../p"]
    common = {"role": "checker", "public_key": "k.pub", "valid_from": START, "valid_until": END, "projects": ["demo"]}
    (tmp_path / "people.yaml").write_text(yaml.safe_dump([{"id": name, **common} for name in ids]))
    with pytest.raises(BadInput) as refused:
        read_people(tmp_path / "people.yaml")
    assert [fault.message.split(":")[0] for fault in refused.value.faults] == ["entry 2", "entry 4"]
    assert "Smit" not in str(refused.value)


def test_nobody_drafts_submits_or_decides_under_an_unusable_id(tmp_path: Path) -> None:
    office = Office(tmp_path / "office").open()
    key = SigningKey.generate()
    with pytest.raises(BadInput, match="no person's id"):
        office.draft(author="x y")
    request = office.draft()
    with pytest.raises(BadInput, match="no person's id"):
        review.submit(request, author="x y", key=key, desk=office.desk, now=office.now)
    with pytest.raises(BadInput, match="no person's id"):
        review.approve(request, person="x y", key=key, desk=office.desk, now=office.now)


@pytest.mark.parametrize(
    "command",
    [
        ["key", "new", "x y", "--out", "own"],
        ["review", "approve", "r-1", "--as", "x y", "--key", "k.pem"],
        ["review", "withdraw", "r-1", "--as", "x y", "--key", "k.pem", "--remark", "r"],
        ["request", "demo", "--as", "x y", "--key", "k.pem", "--title", "t"],
    ],
)
def test_a_command_refuses_an_unusable_id_before_anything_else(command: list[str]) -> None:
    refused = CliRunner().invoke(app, command).exception
    assert isinstance(refused, BadInput)
    assert "no person's id" in refused.what
    assert "x y" not in str(refused)
