"""Rotating the hash keys: every number stays with its unit, and no identifier of an old delivery is needed for it."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from enclave.errors import BadInput, KeyUnavailable, NotAllowed, NotReady
from enclave.frames import open_frame
from enclave.zones import Pseudonymised
from linkage.key_zone import read_batches
from linkage.units import ASSIGNED, generations
from pipeline.custodian import CustodianDesk
from pipeline.linking import key_zone
from pipeline.office import utc_now
from pipeline.rotation import Rotation, ends, rotate
from pseudonymise.unlocking import TokenLock
from pseudonymise.withdrawal import Reason
from synthetic.country import make_country
from tests.output_control.killing import audited
from tests.pipeline.custodians import BY_IDENTIFIER, LAST, PROJECT, CustodiansOffice

UNTIL = date(2099, 1, 1)


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("country") / "country"
    make_country(out, persons=1000, seed=11)
    return out


@pytest.fixture(scope="module")
def standing(country: Path, tmp_path_factory: pytest.TempPathFactory) -> CustodiansOffice:
    """Linked under the first keys; one municipality has not delivered yet. Tests work on copies."""
    office = CustodiansOffice.make(tmp_path_factory.mktemp("standing") / "office", country, sets=BY_IDENTIFIER)
    desk = office.desk()
    office.deliver(desk, *office.suppliers())
    desk.pseudonymise()
    desk.link()
    return office


@pytest.fixture
def office(standing: CustodiansOffice, tmp_path: Path) -> CustodiansOffice:
    return standing.at(tmp_path / "office")


def data_sets(office: CustodiansOffice) -> dict[str, pa.Table]:
    return {name: office.linked(name) for name in BY_IDENTIFIER}


def units(desk: CustodianDesk) -> dict[str, int]:
    zone = key_zone(desk.office, desk.custody)
    found = zone.reader(generations(zone), ASSIGNED).read_all()
    return dict(zip(found["unit"].to_pylist(), found["integer"].to_pylist(), strict=True))


def content(office: CustodiansOffice) -> dict[str, object]:
    """All that rotation writes, decrypted: rows and manifests of frames, rows of key tables, facts of the key store."""
    desk, found = office.desk(), {}
    run = office.root / "run"
    for path in sorted([*run.glob("pseudonymised/**/*.parquet"), *run.glob(f"keys/{PROJECT}/*.parquet")]):
        rows = [row for batch in read_batches(path, None, desk.custody.decryption) for row in batch.to_pylist()]
        found[path.relative_to(run).as_posix()] = rows
        if "pseudonymised" in path.parts:
            found[f"about {path.relative_to(run)}"] = open_frame(
                path, Pseudonymised, decryption=desk.custody.decryption()
            ).manifest
    tables = json.loads((run / "keys" / PROJECT / "versions.json").read_text())
    store = desk.custody.store
    return {
        **found,
        "tables": tables,
        "keys": store.names(),
        "facts": store.fact("hash-ends"),
        "in use": desk.custody.hash_version,
    }


def test_every_number_survives_and_no_hash_of_the_old_version_is_left(office: CustodiansOffice) -> None:
    desk = office.desk()
    before, numbers = data_sets(office), units(desk)
    old = {tag for path in office.root.glob("run/pseudonymised/**/*.parquet") for tag in tags(path, desk)}
    shutil.rmtree(office.root / "run/inbox")  # nothing is opened or hashed again
    for frame in office.root.glob("run/identified/*/*.parquet"):
        frame.unlink()
    assert rotate(desk, UNTIL) == Rotation(2, UNTIL)
    desk.link()
    assert data_sets(office) == before
    assert units(desk) == numbers
    new = list(office.root.glob("run/pseudonymised/**/*.parquet"))
    assert new
    assert not old & {tag for path in new for tag in tags(path, desk)}
    assert ends(desk.custody) == {1: UNTIL}
    for path in office.root.glob(f"run/keys/{PROJECT}/*.parquet"):
        hashes = [
            r["hash"] for b in read_batches(path, None, desk.custody.decryption) for r in b.to_pylist() if "hash" in r
        ]
        assert not old & set(hashes), path.name


def tags(path: Path, desk: CustodianDesk) -> set[bytes]:
    found = pq.read_table(path, decryption_properties=desk.custody.decryption())
    columns = [name for name in found.column_names if name.endswith("_hash")]
    return {tag for name in columns for tag in found[name].to_pylist() if tag is not None}


def in_both(office: CustodiansOffice) -> set[int]:
    """Numbers that stand in the land registry's early delivery and in the debts, which came partly later."""
    return set(office.linked("transfers")["buyer"].to_pylist()) & set(office.linked("debts")["person"].to_pylist())


def finish(office: CustodiansOffice) -> None:
    """The last municipality delivers, and all is linked."""
    desk = office.desk()
    office.deliver(desk)
    desk.pseudonymise()
    desk.link()


def test_who_is_unknown_to_the_register_keeps_the_number_in_a_later_delivery_under_the_new_key(
    office: CustodiansOffice, tmp_path: Path
) -> None:
    """Five persons of the last delivery are not in the register and bought a home before; with the old key gone before
    that delivery comes, they can't be recognised, and are new."""
    undisturbed, late = office.at(tmp_path / "undisturbed"), office.at(tmp_path / "late")
    finish(undisturbed)
    for which in (office, late):
        rotate(which.desk(), UNTIL)
    late.desk().custody.destroy_hash_version(1)
    finish(office)
    finish(late)
    assert {path.parent.name for path in office.root.glob("run/pseudonymised/0002/*/*.parquet")} >= {LAST, "kadaster"}
    assert in_both(office) == in_both(undisturbed)
    assert len(units(office.desk())) == len(units(undisturbed.desk()))
    assert len(in_both(undisturbed) - in_both(late)) == 5
    for name in BY_IDENTIFIER:
        assert office.linked(name).num_rows == undisturbed.linked(name).num_rows == late.linked(name).num_rows


def test_who_enters_the_register_after_the_rotation_is_remapped_as_without_one(
    office: CustodiansOffice, country: Path, tmp_path: Path
) -> None:
    """Half of the persons are unknown at first; the remap table names those whom the register knows by now."""
    remapped = []
    undisturbed = office.at(tmp_path / "undisturbed")
    rotate(office.desk(), UNTIL)
    for which in (undisturbed, office):
        shutil.copyfile(country / "key_register/persons.parquet", which.country / "key_register/persons.parquet")
        desk = which.desk()
        desk.link()
        zone = key_zone(desk.office, desk.custody)
        batches = read_batches(zone.folder / "remap.parquet", ["unmatched"], zone.decryption)
        remapped.append({row["unmatched"] for batch in batches for row in batch.to_pylist()})
        assert len(set(which.linked("transfers")["buyer"].to_pylist()) & remapped[-1]) == 0
    assert remapped[0] == remapped[1]
    assert len(remapped[0]) > 200


def test_a_second_rotation_carries_on_what_the_first_carried(office: CustodiansOffice) -> None:
    before, numbers = data_sets(office), units(office.desk())
    rotate(office.desk(), UNTIL)
    with pytest.raises(NotReady, match="version 1 still exists"):
        rotate(office.desk(), UNTIL)
    office.desk().custody.destroy_hash_version(1)
    desk = office.desk()
    assert rotate(desk, UNTIL).version == 3
    desk.link()
    assert data_sets(office) == before
    assert units(desk) == numbers
    finish(office)
    assert len(units(office.desk())) > len(numbers)


def test_what_is_delivered_anew_after_a_rotation_is_hashed_anew_and_once(office: CustodiansOffice) -> None:
    rotate(office.desk(), UNTIL)
    desk = office.desk()
    (earlier,) = [receipt.findings for receipt in desk.standing() if receipt.findings.supplier == "kadaster"]
    desk.withdraw(earlier.delivery, Reason.ERRORS)
    office.deliver(desk, "kadaster", retention={"kadaster": earlier.retention_date - timedelta(days=1)})
    (hashed,) = [outcome.record for outcome in desk.pseudonymise() if outcome.ran]
    assert hashed.step.startswith("pseudonymise kadaster")
    (bridge,) = (office.root / "run/keys" / PROJECT).glob("bridge-k0002-kadaster-*")
    kept = read_batches(bridge, ["unit"], desk.custody.decryption)
    assert sum(batch.num_rows for batch in kept)
    assert not any(outcome.ran for outcome in desk.pseudonymise())
    desk.custody.destroy(PROJECT, earlier.retention_date - timedelta(days=1))
    with pytest.raises(KeyUnavailable, match="was destroyed"):
        list(read_batches(bridge, ["unit"], desk.custody.decryption))


def test_after_its_end_the_old_version_hashes_nothing_and_the_present_one_cannot_be_destroyed(
    office: CustodiansOffice,
) -> None:
    desk = office.desk()
    rotate(desk, UNTIL)
    assert desk.custody.destroy_hash_version(1) == ("hash-master/v1",)
    with pytest.raises(KeyUnavailable, match="was destroyed"):
        desk.custody.hash_with(PROJECT, "bsn", 1)
    with pytest.raises(NotAllowed, match="in use"):
        desk.custody.destroy_hash_version(2)


def test_a_date_in_the_past_begins_nothing(office: CustodiansOffice) -> None:
    with pytest.raises(BadInput, match="in the past"):
        rotate(office.desk(), utc_now().date() - timedelta(days=1))
    assert not office.desk().pseudonymise()[0].ran


def test_between_a_kill_and_the_next_run_nothing_is_hashed_or_linked(
    standing: CustodiansOffice, tmp_path: Path
) -> None:
    for point in range(400, 5000, 40):
        office = standing.at(tmp_path / str(point))
        assert audited(lambda office=office: rotate(office.desk(), UNTIL), point)  # type: ignore[misc]  # mypy infers no default
        if office.desk().custody.store.fact("rotation"):
            break
    for step in (office.desk().pseudonymise, office.desk().link):
        with pytest.raises(NotReady, match="rotation of the keys was broken off"):
            step()


@pytest.mark.parametrize("points", [range(10, 5000, 71), pytest.param(range(1, 5000, 7), marks=pytest.mark.sweep)])
def test_killed_at_any_file_operation_a_second_run_ends_the_same(
    standing: CustodiansOffice, tmp_path: Path, points: range
) -> None:
    expected: dict[str, object] = {}
    whole = standing.at(tmp_path / "whole")
    rotate(whole.desk(), UNTIL)
    expected = content(whole)
    killed = 0
    for point in points:
        office = standing.at(tmp_path / str(point))
        if not audited(lambda office=office: rotate(office.desk(), UNTIL), point):  # type: ignore[misc]  # mypy infers no default
            break
        killed += 1
        custody = office.desk().custody
        if custody.hash_version == 1 or custody.store.fact("rotation"):
            rotate(office.desk(), UNTIL)
        assert content(office) == expected, point
        said = [entry for entry in office.desk().office.journal.entries() if entry.action == "keys rotated"]
        assert len(said) == 1, point
        office.desk().office.journal.verify()
        shutil.rmtree(office.root)
    else:
        raise AssertionError("the last point was within the rotation: take more")
    assert killed > 5


def test_rotation_moves_the_hash_keys_to_a_token_that_the_store_was_moved_to(
    office: CustodiansOffice, token_lock: TokenLock
) -> None:
    before, numbers = data_sets(office), units(office.desk())
    desk = office.desk()
    desk.custody.store.lock_anew(token_lock)
    rotate(desk, UNTIL)
    desk.link()
    assert data_sets(office) == before
    assert units(desk) == numbers
    with pytest.raises(NotAllowed, match="does not leave it"):
        desk.custody.hash_key(PROJECT, "bsn", 2)
    desk.custody.close()
