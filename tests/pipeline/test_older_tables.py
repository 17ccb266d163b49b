"""Key tables of an older backup, or none: two persons go on with them, and from then on nothing else is taken."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from enclave.errors import BadInput, KeyUnavailable, Refused, Tampered
from enclave.fingerprints import canonical_json
from enclave.signatures import PayloadType, PublicKey
from linkage.units import ASSIGNED, generations
from pipeline.linking import key_zone
from pipeline.main import app
from pipeline.office import utc_now
from pipeline.older_tables import TAKEN_BACK, accept_older, older_tables
from pipeline.rotation import rotate
from synthetic.country import make_country
from tests.linkage.test_inventory import KEY
from tests.output_control.killing import audited
from tests.pipeline.custodians import LAST, PROJECT, CustodiansOffice

FIRST = ("kadaster", "GM9001")


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> CustodiansOffice:
    """An office that linked twice; ``backup`` beside it holds the key tables of the first time."""
    root = tmp_path_factory.mktemp("standing")
    make_country(root / "country", persons=1000, seed=11)
    office = CustodiansOffice.make(root / "office", root / "country", sets=("transfers", "debts"))
    for suppliers in (FIRST, (LAST,)):
        desk = office.desk()
        office.deliver(desk, *suppliers)
        desk.pseudonymise()
        desk.link()
        if suppliers == FIRST:
            shutil.copytree(tables(office), office.root / "backup")
    return office


@pytest.fixture
def office(standing: CustodiansOffice, tmp_path: Path) -> CustodiansOffice:
    """A copy, which from now on draws by chance, not from a seed."""
    office = standing.at(tmp_path / "office")
    settings = office.root / "run/office.yaml"
    settings.write_text(settings.read_text().replace("demo_seed: 7", "demo_seed: null"))
    return office


def tables(office: CustodiansOffice) -> Path:
    return office.root / "run/keys" / PROJECT


def put(office: CustodiansOffice, folder: Path) -> None:
    shutil.rmtree(tables(office))
    shutil.copytree(folder, tables(office))


def numbers(office: CustodiansOffice) -> dict[str, int]:
    desk = office.desk()
    zone = key_zone(desk.office, desk.custody)
    found: pa.Table = zone.reader(generations(zone), ASSIGNED).read_all()
    return dict(zip(found["unit"].to_pylist(), found["integer"].to_pylist(), strict=True))


def linked_again(office: CustodiansOffice) -> dict[str, int]:
    desk = office.desk()
    desk.pseudonymise()
    assert desk.link().ran
    assert not desk.link().ran
    return numbers(office)


def test_two_persons_go_on_with_older_tables_and_what_was_lost_is_taken_no_more(office: CustodiansOffice) -> None:
    before = numbers(office)
    newer = shutil.copytree(tables(office), office.root / "newer")
    put(office, office.root / "backup")
    old = numbers(office)
    assert 0 < len(old) < len(before)
    with pytest.raises(Tampered, match=r"set back[\s\S]*zicht custody accept-tables"):
        office.desk().link()
    with pytest.raises(KeyUnavailable):
        accept_older(office.desk(), b"custodian")  # the custodian alone does not
    with pytest.raises(Tampered, match="set back"):
        office.desk().link()
    loss = accept_older(office.desk(), b"r")
    (entry,) = (e for e in office.desk().office.journal.entries() if e.action == TAKEN_BACK)
    said = {"project": PROJECT, "revision": loss.behind.revision, "instead_of": loss.behind.told}
    signatures = entry.details["signatures"]
    assert isinstance(signatures, dict)
    keys = {(office.root / f"run/public-keys/{name}.pub").read_text().strip() for name in ("receipt", "release")}
    assert signatures.keys() == keys
    for key, signature in signatures.items():
        PublicKey(key).verify(PayloadType.KEY_TABLES, canonical_json(said), str(signature))
    after = linked_again(office)
    assert after.keys() == before.keys()
    assert {unit: after[unit] for unit in old} == old
    assert not {after[unit] for unit in after.keys() - old.keys()} & {before[unit] for unit in before}
    kept = shutil.copytree(tables(office), office.root / "kept")
    for folder in (newer, office.root / "backup"):
        put(office, folder)
        with pytest.raises(Tampered, match="set back"):
            office.desk().link()
    put(office, kept)
    assert not office.desk().link().ran


def test_without_any_tables_every_unit_gets_another_number(office: CustodiansOffice) -> None:
    before = numbers(office)
    shutil.rmtree(tables(office))
    with pytest.raises(Tampered, match=r"inventory.json of the key tables is missing[\s\S]*accept-tables"):
        office.desk().link()
    assert "none; the journal knows" in next(older_tables(office.desk()).lines())
    accept_older(office.desk(), b"r")
    after = linked_again(office)
    assert after.keys() == before.keys()
    assert not {*after.values()} & {*before.values()}


def test_what_was_never_the_offices_is_not_accepted(office: CustodiansOffice) -> None:
    with pytest.raises(BadInput, match="no older than the journal"):
        accept_older(office.desk(), b"r")
    spoilt: dict[str, Callable[[Path], object]] = {
        "was changed": lambda folder: (folder / "versions.json").write_text("[]"),
        "is missing": lambda folder: (folder / "units-000001.parquet").unlink(),
        "is foreign": lambda folder: (folder / "units-000009.parquet").write_bytes(b"x"),
        "of another project": lambda folder: (folder / "inventory.json").write_text(
            (folder / "inventory.json").read_text().replace('"revision":', '"revision":1')
        ),
    }
    for said, spoil in spoilt.items():
        put(office, office.root / "backup")
        spoil(tables(office))
        with pytest.raises(Tampered, match=said):
            accept_older(office.desk(), b"r")
    assert KEY.public.text not in (office.root / "run/journal/journal.jsonl").read_text()
    assert TAKEN_BACK not in (office.root / "run/journal/journal.jsonl").read_text()


def test_tables_of_before_a_rotation_are_refused_and_none_are_gone_on_with(office: CustodiansOffice) -> None:
    rotate(office.desk(), utc_now().date())
    put(office, office.root / "backup")
    with pytest.raises(Refused, match="rotated after"):
        accept_older(office.desk(), b"r")
    shutil.rmtree(tables(office))
    accept_older(office.desk(), b"r")
    linked_again(office)


def test_killed_at_any_file_operation_it_is_gone_on_with(standing: CustodiansOffice, tmp_path: Path) -> None:
    for point in itertools.count(10, 13):
        office = standing.at(tmp_path / str(point))
        put(office, office.root / "backup")
        if not audited(lambda office=office: accept_older(office.desk(), b"r"), point):  # type: ignore[misc]  # mypy infers no default
            break
        desk = office.desk()
        try:
            key_zone(desk.office, desk.custody).check()
        except Tampered:
            accept_older(office.desk(), b"r")
            key_zone(desk.office, desk.custody).check()
        told = [entry for entry in desk.office.journal.entries() if entry.action == TAKEN_BACK]
        assert told, point
        shutil.rmtree(office.root)
    assert point > 60


def test_the_command_says_what_is_lost_and_asks(office: CustodiansOffice) -> None:
    put(office, office.root / "backup")
    for name, secret in (("pass", b"custodian"), ("root", b"r")):
        (office.root / name).write_bytes(secret)
        (office.root / name).chmod(0o600)
    where = ("--workspace", office.root / "run", "--passphrase-file", office.root / "pass")
    command = ["custody", "accept-tables", *map(str, where)]
    asked = CliRunner().invoke(app, command)
    assert "lost is what commands wrote there until: 20" in asked.output
    assert "nothing was accepted" in str(asked.exception)
    done = CliRunner().invoke(app, [*command, "--yes", "--root-passphrase-file", str(office.root / "root")])
    assert (done.exit_code, done.output.splitlines()[-2]) == (0, "accepted"), done.output
    desk = office.desk()
    assert key_zone(desk.office, desk.custody).check()  # reports, which linking writes again


def test_a_command_that_fails_tells_the_journal_what_it_wrote(office: CustodiansOffice) -> None:
    desk = office.desk()
    earlier = shutil.copytree(tables(office), office.root / "earlier")
    with pytest.raises(ZeroDivisionError), desk.alone():
        key_zone(desk.office, desk.custody).write_texts({"linkage.md": "written before it failed"})
        raise ZeroDivisionError
    put(office, earlier)
    with pytest.raises(Tampered, match="set back"):
        key_zone(desk.office, desk.custody).check()
