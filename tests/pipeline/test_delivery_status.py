"""Who owes what, what arrived, what is late, what was turned away and why: from real receiving and the journal."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from enclave.errors import BadInput
from enclave.project import Project
from pipeline.commands.status import _told
from pipeline.delivery_page import write_pages
from pipeline.delivery_status import DeliveryLine, State, delivery_status
from tests.pseudonymise.small_town import NOW, Enclave, csv_bytes, hemp_rows

DUE, TODAY = date(2026, 2, 20), NOW.date()


@pytest.fixture
def enclave(tmp_path: Path) -> Enclave:
    """An enclave to which three municipalities owe hemp clearances, and Kadaster its file."""
    plain = Enclave.at(tmp_path)
    changed = plain.project.model_dump(by_alias=True)
    changed["municipalities"] = ["GM9001", "GM9002", "GM9003"]
    changed["deliveries"] = [
        {"schema": "hemp_clearances", "period": "2016", "suppliers": "municipalities", "due": DUE},
        {"schema": "land_registry", "period": "1996-2015", "suppliers": ["kadaster"], "due": date(2026, 6, 1)},
    ]
    return replace(plain, project=Project.model_validate(changed))


def lines(enclave: Enclave, today: date = TODAY, waiting: tuple[str, ...] = ()) -> dict[str, DeliveryLine]:
    found = delivery_status(enclave.project, enclave.journal.entries(), waiting=waiting, today=today)
    return {line.supplier: line for line in found.lines}


def states(enclave: Enclave, today: date = TODAY) -> dict[str, State]:
    return {supplier: line.state for supplier, line in lines(enclave, today).items()}


def test_what_is_owed_becomes_late_the_day_after_its_date(enclave: Enclave) -> None:
    owed = dict.fromkeys(("GM9001", "GM9002", "GM9003", "kadaster"), State.OWED)
    assert states(enclave, DUE) == owed
    after = states(enclave, date(2026, 2, 21))
    assert after == {**owed, **dict.fromkeys(("GM9001", "GM9002", "GM9003"), State.LATE)}


def test_accepted_rejected_refused_and_late_are_told_with_reasons_and_no_count_below_ten(enclave: Enclave) -> None:
    rows = hemp_rows(30)
    rows[3]["occupant_bsn"] = "123456789"
    enclave.hemp(rows)
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(2)).replace(b"plants", b"plnts"))
    enclave.receive(enclave.seal(file, "hemp_clearances", 2, supplier="GM9002"))
    good = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(2)))
    with pytest.raises(BadInput):
        enclave.receive(enclave.seal(good, "hemp_clearances", 2, supplier="GM9003", legal_basis="-"))
    with pytest.raises(BadInput):
        enclave.receive(enclave.seal(good, "hemp_clearances", 2, supplier="GM9004"))
    found = delivery_status(enclave.project, enclave.journal.entries(), today=NOW.date())
    by = {line.supplier: line for line in found.lines}
    assert {name: line.state for name, line in by.items()} == {
        "GM9001": State.ACCEPTED,
        "GM9002": State.REJECTED,
        "GM9003": State.REFUSED,
        "kadaster": State.OWED,
    }
    assert (by["GM9001"].accepted, by["GM9001"].quarantined, by["GM9001"].late) == ("10-99", "<10", True)
    assert by["GM9002"].why == ("extra_column", "missing_column plants (<10)") and by["GM9002"].attempts == 1
    assert by["GM9003"].why == ("legal_basis legal_basis",)
    assert found.unexpected == 1 and "GM9004" not in by
    assert found.summary().startswith("4: 1 still owed, 1 accepted, 1 rejected, 1 refused, 3 came after their date")


def test_a_corrected_delivery_is_accepted_and_a_second_one_does_not_undo_it(enclave: Enclave) -> None:
    enclave.hemp([{**row, "occupant_bsn": "1"} for row in hemp_rows(3)])
    assert states(enclave)["GM9001"] is State.REJECTED
    standing = enclave.hemp(hemp_rows(4))
    assert states(enclave)["GM9001"] is State.ACCEPTED
    with pytest.raises(BadInput):
        enclave.hemp(hemp_rows(5))
    line = lines(enclave)["GM9001"]
    assert (line.state, line.delivery, line.attempts) == (State.ACCEPTED, standing.findings.delivery, 2)
    assert line.why == ("another delivery of this supplier, schema and period was accepted before",)
    assert _told(line).endswith(
        "accepted after its day: <10 rows, 0 set aside, sender not verified; a later try was turned away because of "
        + line.why[0]
    )


def test_a_withdrawn_delivery_is_told_and_a_sealed_one_waits(enclave: Enclave) -> None:
    standing = enclave.hemp(hemp_rows(4)).findings.delivery
    enclave.journal.append(
        actor="custodian", action="delivery-withdrawn", subject=standing, details={"reason": "faults"}, now=NOW
    )
    assert lines(enclave)["GM9001"].state is State.WITHDRAWN and lines(enclave)["GM9001"].why == ("faults",)
    waiting = "GM9001-hemp_clearances-2016-0123456789ab"
    assert lines(enclave, waiting=(standing, waiting))["GM9001"].state is State.WAITING


def test_without_a_list_of_municipalities_those_that_came_are_told(tmp_path: Path) -> None:
    enclave = Enclave.at(tmp_path)
    enclave.hemp(hemp_rows(4))
    found = lines(enclave)
    assert found["GM9001"].state is State.ACCEPTED and found["GM9001"].due is None
    assert found["kadaster"].state is State.OWED and len(found) == 2


def test_the_page_is_in_both_languages_and_holds_no_count_below_ten(enclave: Enclave, tmp_path: Path) -> None:
    enclave.hemp(hemp_rows(13))
    found = delivery_status(enclave.project, enclave.journal.entries(), today=datetime(2026, 7, 1, tzinfo=UTC).date())
    dutch, english = (path.read_text() for path in write_pages(found, "demo", tmp_path / "pages"))
    assert '<html lang="nl">' in dutch and "te laat" in dutch and "aangenomen (na de dag)" in dutch
    assert '<html lang="en">' in english and "late" in english and "accepted (after its day)" in english
    for text in (dutch, english):
        assert re.findall(r"<td class=n>([^<]*)</td>", text) == ["10-99", "0", "", "", "", "", "", ""]
        assert "<script" not in text and "http" not in text
