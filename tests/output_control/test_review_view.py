"""What a checker sees of a request, and who may see it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from enclave.errors import NotAllowed
from enclave.zones import Zone
from output_control import review
from output_control.review.states import Action, State
from tests.output_control.desk import (
    CONTEXT,
    CONTROLS,
    KEYS,
    Office,
    a_checked_output,
)
from tests.output_control.review_acts import WHY, do


def test_a_checker_sees_outputs_evidence_annex_texts_and_earlier_decisions(office: Office) -> None:
    request = office.submit()
    office.approve(request, "p-first")
    do(office, Action.REQUEST_CHANGES, request, "p-second")
    seen = review.show(request, desk=office.desk)
    assert (seen.context, seen.controls, seen.author) == (CONTEXT, CONTROLS, "p-author")
    assert seen.state is State.CHANGES_REQUESTED
    assert [(d.person, d.action, d.remark) for d in seen.decisions] == [
        ("p-first", "approve", ""),
        ("p-second", "request_changes", WHY),
    ]
    assert seen.earlier == {}
    assert seen.policy["name"] == "cbs_ra"


def test_a_checker_sees_why_each_cell_is_hidden_and_what_an_attacker_finds(office: Office) -> None:
    (table,) = review.show(office.submit(), desk=office.desk).outputs
    assert (table.name, table.kind, table.title) == ("v3/area", "table", "Pass-through homes by municipality")
    assert table.cells is not None
    hidden = next(cell for cell in table.cells.to_pylist() if cell["status"] == "primary")
    assert (hidden["region"], hidden["reason"], hidden["lower"], hidden["upper"]) == ("0001", "frequency", 0, 40)
    assert table.released.column("value").to_pylist() == [120, None, None, 80, 0]
    assert table.summary["suppressed_value"] == "CONFIDENTIAL-7"
    assert table.suppressed_share == 2 / 4  # of five cells one is empty


def test_a_checker_of_a_model_sees_its_evidence_and_no_cells(office: Office) -> None:
    model = a_checked_output(
        outputs={"outputs/v3/odds.csv": b'"term","odds_ratio"\n"a",1.5\n'},
        evidence={"evidence/v3/odds.json": b'{"kind":"regression","checks":["converged"]}'},
        checker_annex={},
    )
    (odds,) = review.show(office.submit(model), desk=office.desk).outputs
    assert (odds.kind, odds.cells, odds.suppressed_share, odds.summary) == ("regression", None, None, {})


def test_a_table_without_a_filled_cell_loses_nothing(office: Office) -> None:
    counts = b'{"kind":"table","checks":["x"],"cells":{"all":3,"published":3,"published_zero":3,"suppressed":0}}'
    empty = a_checked_output(evidence={"evidence/v3/area.json": counts}, checker_annex={"area.json": b"[]"})
    (table,) = review.show(office.submit(empty), desk=office.desk).outputs
    assert table.suppressed_share == 0.0


def test_evidence_that_says_nothing_is_shown_as_nothing(office: Office) -> None:
    for evidence in (b"no json", b"[1]", b'{"cells":{}}', b'{"cells":{"all":3}}'):
        silent = a_checked_output(evidence={"evidence/v3/area.json": evidence}, checker_annex={})
        (table,) = review.show(office.draft(silent), desk=office.desk).outputs
        assert (table.suppressed_share, table.kind) == (None, "unknown")


def test_a_checker_sees_the_decisions_on_earlier_requests_for_the_same_analysis(office: Office) -> None:
    first = office.submit()
    do(office, Action.REJECT, first, "p-first")
    office.draft(a_checked_output(analysis="v3b", outputs={"outputs/v3b/area.csv": b"x\n"}))
    second = office.submit(context=CONTEXT + " Merged, as asked.")
    elsewhere = review.draft(
        a_checked_output(),
        project="other",
        author="p-author",
        title="t",
        context=CONTEXT,
        controls=CONTROLS,
        desk=office.desk,
    )
    seen = review.show(second, desk=office.desk)
    assert list(seen.earlier) == [first]
    assert elsewhere not in seen.earlier
    assert seen.earlier[first][0] is State.REJECTED
    assert [d.remark for d in seen.earlier[first][1]] == [WHY]


def test_the_annex_is_for_its_owner_alone(office: Office) -> None:
    folder = office.workspace.path(Zone.REVIEW) / office.draft()
    assert (folder / "annex").stat().st_mode & 0o777 == 0o700
    assert (folder / "annex/v3/area.json").stat().st_mode & 0o777 == 0o400


def test_a_user_who_may_not_read_the_annex_is_told_so(office: Office) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    request = office.submit()
    with tempfile.TemporaryDirectory() as place:
        copy = Office(Path(place) / "workspace", office.roster)
        shutil.copytree(office.root, copy.root)
        Path(place).chmod(0o755)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setuid(65534)
                with pytest.raises(NotAllowed, match="may not read annex"):
                    review.show(request, desk=copy.desk)
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0


def test_two_writers_of_one_draft_do_not_undo_what_was_decided_on_it(office: Office) -> None:
    """Many processes draft and submit the same request at once: one submission, and it stays."""
    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            try:
                request = office.draft()
                review.submit(request, author="p-author", key=KEYS["p-author"], desk=office.desk, now=office.now)
            except NotAllowed:
                pass
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    request = office.draft()
    assert review.state(request, desk=office.desk) is State.SUBMITTED
    assert office.actions(request) == ["request.submit"]
