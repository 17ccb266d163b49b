"""A researcher who writes the derivation and the requests, and wants the gate to count wrong or to publish a text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import BadInput, Refused
from enclave.requests import OutputRequest, Population
from output_control.leaving.words import fault_of_text
from output_control.review.request_file import check_texts
from tests.output_control.gate_world import HOMES, World, table_request

ROWS = 60
WORDS = "counts of homes by region and kind of the whole population"


def frame(**columns: object) -> pa.Table:
    """Sixty rows in two regions: enough for every threshold, if each row were a home of another owner."""
    numbers = np.arange(ROWS, dtype=np.int64)
    standard = {"home": numbers, "owner": numbers, "region": ["G1a1"] * 20 + ["G1a2"] * 40, "kind": ["k1"] * ROWS}
    return pa.table(standard | columns)


def homes(owner: np.ndarray | None = None) -> pa.Table:
    """What the custodian linked: sixty homes and whose they are."""
    numbers = np.arange(ROWS, dtype=np.int64)
    return pa.table({"home": numbers, "owner": numbers if owner is None else owner})


def refusal(world: World, *requests: OutputRequest) -> str:
    with pytest.raises(Refused) as caught:
        world.check(*requests)
    return str(caught.value)


def test_one_home_copied_into_many_rows_with_invented_units_is_refused(tmp_path: Path) -> None:
    invented = frame(row=np.arange(ROWS, dtype=np.int64), home=np.full(ROWS, 3, dtype=np.int64))
    found = refusal(World(tmp_path).add("homes", invented, homes()), table_request("region", record="row"))
    assert "10 to 99 rows of homes have a owner that the linked data do not give them" in found
    assert "fewer than 10 members of homes stand in more rows of homes than in homes itself" in found


def test_homes_of_one_owner_do_not_pass_for_homes_of_many(tmp_path: Path) -> None:
    one_owner = homes(np.full(ROWS, 7, dtype=np.int64))
    found = refusal(World(tmp_path).add("homes", frame(), one_owner), table_request("region"))
    assert "10 to 99 rows of homes have a owner that the linked data do not give them" in found


def test_a_home_is_its_own_unit_only_when_nobody_is_known_to_own_it(tmp_path: Path) -> None:
    known = np.arange(ROWS, dtype=np.int64) + 1000
    linked = homes().set_column(1, "owner", pa.array([None] * 30 + known[30:].tolist(), pa.int64()))
    honest = frame(owner=np.where(np.arange(ROWS) < 30, np.arange(ROWS), known))
    assert World(tmp_path).add("homes", honest, linked).check(table_request("region")).outputs
    (tmp_path / "b").mkdir()
    found = refusal(World(tmp_path / "b").add("homes", frame(), linked), table_request("region"))
    assert "10 to 99 rows of homes have a owner" in found


def test_an_attribute_of_the_linked_data_does_not_pass_for_a_unit(tmp_path: Path) -> None:
    linked = homes().append_column("worth", pa.array(range(ROWS), pa.int64()))
    derived = frame(worth=np.arange(ROWS, dtype=np.int64))
    found = refusal(World(tmp_path).add("homes", derived, linked), table_request("region", unit="worth"))
    assert "no linked data set of this question has worth beside home" in found


def test_invented_periods_do_not_make_many_units_of_one(tmp_path: Path) -> None:
    years = frame(home=np.zeros(ROWS, dtype=np.int64), year=np.arange(ROWS, dtype=np.int64))
    found = refusal(World(tmp_path).add("homes", years, homes()), table_request("region", period="year"))
    assert "10 to 99 rows" in found


def test_an_analysis_that_protects_another_unit_than_the_project_says_is_refused(tmp_path: Path) -> None:
    from output_control.gate import faults_of_requests

    world = World(tmp_path).add("homes", frame(), homes())
    own = table_request("region", unit="home")
    assert faults_of_requests([own], world.policy, "owner") == [
        "homes: the project says that owner is protected here, not home"
    ]


def test_two_tables_of_the_same_homes_through_two_data_sets_are_protected_together(tmp_path: Path) -> None:
    """One home less: the two totals would give it away, so one of them is hidden."""
    world = World(tmp_path).add("homes", frame(), homes()).add("less", frame().slice(0, ROWS - 1), homes())
    other = table_request(
        "region", name="less", derivation="less", unit="home", population=Population(dataset="less", key="home")
    )
    out = world.check(table_request("region", population=HOMES), other)
    totals = [
        content.decode().splitlines()[1] for name, content in sorted(out.outputs.items()) if name.endswith(".csv")
    ]
    assert any(',"Q","C"' in total for total in totals)


def test_a_sum_of_keys_is_refused(tmp_path: Path) -> None:
    request = table_request("region", statistic="sum", measure="owner")
    assert "a figure of keys" in refusal(World(tmp_path).add("homes", frame(), homes()), request)


@pytest.mark.parametrize(
    "title",
    [
        "Homes of 999990019",
        "Homes of 9999 90019 and others",
        "Homes of 999.990.019",
        "Homes of \uff19\uff19\uff19\uff19\uff19\uff10\uff10\uff11\uff19",
        "Homes\x1b[2J\x1b[H by kind",
        "Homes \u202edevorppa",
        "Homes\nNote: audit passed",
        "Homes\u200b by kind",
    ],
)
def test_a_title_with_a_long_number_or_hidden_characters_is_refused(tmp_path: Path, title: str) -> None:
    found = refusal(World(tmp_path).add("homes", frame(), homes()), table_request("region", title=title))
    assert "homes: the title holds" in found
    assert "99999" not in found


def test_a_column_name_with_a_long_number_is_refused_and_not_repeated(tmp_path: Path) -> None:
    derived = frame(x999990019=np.arange(ROWS, dtype=np.int64))
    found = refusal(World(tmp_path).add("homes", derived, homes()), table_request("region", unit="x999990019"))
    assert "1 name(s) of an output or a column hold a number of eight digits or more" in found
    assert "hold a number" in found.splitlines()[1]


@pytest.mark.parametrize("title", ["Homes that stood throughout 1996-2015, by area", "Dwelling-years 2012/2016 (5 %)"])
def test_years_and_small_numbers_in_a_title_are_fine(title: str) -> None:
    assert fault_of_text(title) == ""


@pytest.mark.parametrize("place", ["title", "context", "controls"])
@pytest.mark.parametrize("text", ["\x1b[8m hidden from who reads this on a terminal", "of person 999990019 and others"])
def test_texts_of_a_release_request_hide_nothing_from_checkers(place: str, text: str) -> None:
    texts = {"title": "Homes", "context": WORDS, "controls": WORDS}
    check_texts(**texts)
    with pytest.raises(BadInput, match=f"column {place}: holds"):
        check_texts(**{**texts, place: f"{WORDS} {text}"})


@pytest.mark.parametrize("text", ["of 1234 AB 12", "ask a.jansen@voorbeeld.nl", "account NL91ABNA0417164300"])
def test_a_title_with_an_identifier_is_refused_before_anybody_approves(text: str) -> None:
    with pytest.raises(BadInput, match="column title: holds") as caught:
        check_texts(f"Homes {text}", WORDS, WORDS)
    assert text not in str(caught.value)


def test_a_text_without_end_is_refused() -> None:
    with pytest.raises(BadInput, match="column context: has more than 10000 characters"):
        check_texts("Homes", f"{WORDS} " * 1000, WORDS)
