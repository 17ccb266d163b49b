"""Households and families of delivered persons: those of the register on the date, by numbers that mean nothing."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from enclave.errors import BadInput
from enclave.project import DataSet, Key, Membership, Project, Question
from linkage.link import LinkResult
from synthetic.registers import HOUSEHOLD_BUS, KIN_TAB
from tests.linkage.conftest import Site
from tests.linkage.linked_rows import key_register, numbers

LINK = "InkomenBestedingen/KOPPELPERSOONHUISHOUDEN/KOPPELPERSOONHUISHOUDEN2015V1"
ON = date(2016, 1, 1)
PERSON = Key(name="person", kind="person", source=("bsn",))


def derived(name: str, kind: str, **fields: Any) -> Key:
    return Key.model_validate({"name": name, "kind": kind, "derived": {"person": "person", **fields}})


HOUSEHOLD = derived(
    "household", "household", register=HOUSEHOLD_BUS, unit=("HUISHOUDNR",), reference_date=ON,
    spell=("DATUMAANVANGHH", "DATUMEINDEHH"),
)  # fmt: skip
FAMILY = derived(
    "family", "family", register=KIN_TAB, unit=("XKOPPELNUMMER",),
    members=(("RINPERSOONSMa", "RINPERSOONMa"), ("RINPERSOONSpa", "RINPERSOONpa")),
)  # fmt: skip
EARNERS = derived("earners", "household", register=LINK, unit=("RINPERSOONSHKW", "RINPERSOONHKW"))


def with_keys(project: Project, *keys: Key) -> Project:
    data = {
        "debts": DataSet(delivery="debt_assistance", keys=(PERSON, *keys)),
        "link": project.data["household_link_2015"],
    }
    questions = {"Q1": Question(text="?", uses={"debts": ("start_date",)})}
    return project.model_copy(update={"data": data, "questions": questions, "analyses": ()})


@pytest.fixture(scope="module")
def here(site: Site, project: Project, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return site.at(tmp_path_factory.mktemp("families"), project=with_keys(project, HOUSEHOLD, FAMILY, EARNERS))


@pytest.fixture(scope="module")
def result(here: Site) -> LinkResult:
    return here.run()


def register(site: Site, name: str) -> pd.DataFrame:
    return pd.read_parquet(site.country / "registers" / f"{name}.parquet")


def persons(site: Site, debts: pd.DataFrame) -> pd.Series[str]:
    """The register number of every linked row's person."""
    by_integer = {integer: unit for unit, integer in numbers(site).items()}
    return debts["person"].map(by_integer).str.removeprefix("P")


def test_rows_share_a_household_just_when_the_register_says_so_on_the_date(here: Site, result: LinkResult) -> None:
    debts = pd.read_parquet(result.frames["debts"].path)
    known = register(here, HOUSEHOLD_BUS)
    day = f"{ON:%Y%m%d}"
    known = known[(known["DATUMAANVANGHH"] <= day) & (known["DATUMEINDEHH"] >= day)]
    truth = persons(here, debts).map(known.drop_duplicates("RINPERSOON").set_index("RINPERSOON")["HUISHOUDNR"])
    assert truth.notna().sum() > 20
    assert list(debts["household_status"]) == ["R" if there else "S" for there in truth.notna()]
    assert debts["household"][truth.notna()].groupby(truth).nunique().eq(1).all()
    assert truth.groupby(debts["household"]).nunique().le(1).all()
    assert not set(debts["household"].astype(str)) & set(known["HUISHOUDNR"].str.lstrip("0"))


def test_a_family_is_the_parents_and_their_children(here: Site, result: LinkResult) -> None:
    debts = pd.read_parquet(result.frames["debts"].path)
    expected: dict[str, set[str]] = defaultdict(set)
    kin = register(here, KIN_TAB).to_dict("records")
    for row in kin:
        expected[row["RINPERSOON"]].add(row["XKOPPELNUMMER"])
    children = set(expected)
    for row in kin:
        for letter, parent in (("RINPERSOONSMa", "RINPERSOONMa"), ("RINPERSOONSpa", "RINPERSOONpa")):
            if row[letter] == "R" and row[parent] not in children:
                expected[row[parent]].add(row["XKOPPELNUMMER"])
    truth = persons(here, debts).map(lambda person: min(expected[person], default=None))
    assert truth.notna().sum() > 5
    assert list(debts["family_status"]) == ["R" if there else "S" for there in truth.notna()]
    assert debts["family"][truth.notna()].groupby(truth).nunique().eq(1).all()
    assert truth.groupby(debts["family"]).nunique().le(1).all()


def test_a_household_of_a_register_pair_has_the_number_that_the_register_s_own_data_set_has(
    result: LinkResult,
) -> None:
    debts, link = (pd.read_parquet(result.frames[name].path) for name in ("debts", "link"))
    both = debts[debts["earners_status"] == "R"].merge(link, on="person", suffixes=("", "_of_register"))
    assert len(both) > 5
    assert (both["earners"] == both["household_of_register"]).all()


def test_whom_the_register_does_not_know_is_a_household_alone(site: Site, project: Project, tmp_path: Path) -> None:
    """All spells begin later: everyone is alone, and everyone has a number."""
    assert HOUSEHOLD.derived is not None
    before = HOUSEHOLD.derived.model_copy(update={"reference_date": date(1850, 1, 1)})
    early = HOUSEHOLD.model_copy(update={"derived": before})
    at = site.at(tmp_path, project=with_keys(project, early))
    debts = pd.read_parquet(at.run().frames["debts"].path)
    assert set(debts["household_status"]) == {"S"}
    assert debts["household"].nunique() == debts["person"].nunique()
    assert len(key_register(site.country, "persons")) > 900


def test_a_register_that_lacks_a_column_or_is_not_there_is_refused(
    site: Site, project: Project, tmp_path: Path
) -> None:
    poor = derived("family", "family", register=KIN_TAB, unit=("NUMMER",))
    gone = derived("home", "household", register="nowhere", unit=("HUISHOUDNR",))
    with pytest.raises(BadInput) as caught:
        site.at(tmp_path, project=with_keys(project, poor, gone)).run()
    said = " ".join(str(fault) for fault in caught.value.faults)
    assert "derives family from it" in said
    assert "no register file" in said


OF = {"person": "p", "register": "r", "unit": ("u",)}


@pytest.mark.parametrize(
    "key",
    [
        {"kind": "household"},
        {"kind": "household", "source": ("a", "b"), "derived": OF},
        {"kind": "entity", "derived": OF},
        {"kind": "family", "source": ("a", "b")},
        {"kind": "household", "derived": {**OF, "reference_date": "2016-01-01"}},
    ],
)
def test_keys_that_cannot_be_derived_are_refused(key: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Key.model_validate({"name": "h", **key})
    other = derived("household", "household", register="r", unit=("u",))
    with pytest.raises(ValueError, match="key of persons of the same data set"):
        DataSet(delivery="d", keys=(Key(name="home", kind="object", source=("bag_id",)), other))
    assert isinstance(other.derived, Membership)
