"""A set-up that was killed: called again it ends as if nothing had happened; keys in use are never replaced."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from enclave.entropy import SeededEntropy
from enclave.errors import BadInput
from enclave.zones import Zone
from pipeline.custodian import open_desk
from pipeline.office import Office, create_office, settings_for, utc_now
from pipeline.office_setup import BEGUN, ROOT_KEY, is_set_up, set_up
from pipeline.progress import Style, Teller
from tests.conftest import CHECKOUT
from tests.output_control.killing import audited

KEYS = {"ledger.pub", "receipt.pub", "release.pub", "seal-ondermijning.pub"}


def an_office(root: Path) -> Office:
    (root / "data").mkdir(parents=True, exist_ok=True)
    settings = settings_for(root / "run", root / "data", CHECKOUT / "configs", project="ondermijning")
    return create_office(root / "run", settings)


def set_it_up(office: Office) -> None:
    example = office.configs / "policies" / f"{office.project.policy}.confidential.example.yaml"
    set_up(
        office, custodian=b"c", root=b"r", service=b"s", entropy=SeededEntropy(1), confidential=example, now=utc_now()
    )


def works(office: Office) -> bool:
    """The key store opens, and everyone finds the public keys."""
    open_desk(office, b"c", Teller(Style.PLAIN))
    return is_set_up(office) and {key.name for key in office.workspace.public_keys.iterdir()} == KEYS


@pytest.mark.parametrize(
    "points", [[1, 2, 3, 4, 5, *range(13, 280, 12)], pytest.param(range(1, 400), marks=pytest.mark.sweep)]
)
def test_killed_at_a_file_operation_and_called_again_the_set_up_is_whole(tmp_path: Path, points: Sequence[int]) -> None:
    for point in points:
        office = an_office(tmp_path / str(point))
        if not audited(partial(set_it_up, office), point):
            break
        if not is_set_up(office):
            set_it_up(office)
        assert works(office), point
    else:
        raise AssertionError("the last point was within the set-up: take more")
    assert point > 40


def test_keys_that_are_there_are_never_replaced(tmp_path: Path) -> None:
    office = an_office(tmp_path)
    set_it_up(office)
    before = {path: path.read_bytes() for path in office.workspace.path(Zone.KEY).rglob("*") if path.is_file()}
    with pytest.raises(BadInput, match="nothing was replaced"):
        set_it_up(office)
    # the root key taken to a safe; a mark laid there by hand after work was done
    (office.workspace.path(Zone.KEY) / ROOT_KEY).unlink()
    with pytest.raises(BadInput, match="nothing was replaced"):
        set_it_up(office)
    office.journal.append(actor="a", action="received", subject="s", details={}, now=utc_now())
    (office.workspace.path(Zone.KEY) / BEGUN).touch()
    with pytest.raises(BadInput, match="nothing was replaced"):
        set_it_up(office)
    after = {path: path.read_bytes() for path in before if path.exists()}
    assert after == {path: content for path, content in before.items() if path.name != ROOT_KEY}
