"""Households, families and holdings: those of the register on the date, by numbers that mean nothing."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from enclave.errors import BadInput, Refused
from enclave.project import DataSet, Key, Membership, Project, Question
from linkage.link import LinkResult
from synthetic.registers import FIRM_TAB, HOUSEHOLD_BUS, KIN_TAB
from synthetic.theme_registers import HOLDING_BUS
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
HOLDING = Key.model_validate({
    "name": "holding", "kind": "holding", "derived": {
        "entity": "firm", "register": HOLDING_BUS, "unit": ("OGID",), "spell": ("AANVBEOG", "EINDBEOG"),
        "reference_date": ON,
    },
})  # fmt: skip
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


@pytest.fixture(scope="module")
def firms(site: Site, project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, LinkResult]:
    """Firms of the register with their holdings, buyers of homes with theirs, and the register of holdings itself."""
    firm = Key(name="firm", kind="entity", source=("BEID",))
    buyer = Key(name="buyer", kind="owner", source=("buyer_bsn", "buyer_rsin", "buyer_kvk"))
    assert HOLDING.derived is not None
    of_buyer = HOLDING.model_copy(update={"derived": HOLDING.derived.model_copy(update={"entity": "buyer"})})
    member = Key(name="holding", kind="holding", source=("OGID",))
    data = {
        "firms": DataSet(register=FIRM_TAB, keys=(firm, HOLDING)),
        "transfers": DataSet(delivery="land_registry", keys=(buyer, of_buyer)),
        "groups": DataSet(register=HOLDING_BUS, keys=(firm, member)),
    }
    uses = {"firms": ("SBI",), "transfers": ("deed_type",), "groups": ("AANVBEOG", "EINDBEOG")}
    asked = {"Q1": Question(text="?", uses=uses)}
    at = site.at(
        tmp_path_factory.mktemp("holdings"),
        project=project.model_copy(update={"data": data, "questions": asked, "analyses": ()}),
    )
    return at, at.run()


def test_firms_share_a_holding_just_when_the_register_says_so_on_the_date(firms: tuple[Site, LinkResult]) -> None:
    site, result = firms
    linked, groups = (pd.read_parquet(result.frames[name].path) for name in ("firms", "groups"))
    day = f"{ON:%Y%m%d}"
    known = register(site, HOLDING_BUS)
    known = known[(known["AANVBEOG"] <= day) & (known["EINDBEOG"] >= day)].set_index("BEID")["OGID"]
    by_integer = {integer: unit for unit, integer in numbers(site).items()}
    truth = linked["firm"].map(by_integer).str.removeprefix("E").map(known.to_dict())
    assert truth.notna().all()
    assert truth.nunique() < len(linked)
    assert set(linked["holding_status"]) == {"R"}
    assert linked["holding"].groupby(truth).nunique().eq(1).all()
    assert truth.groupby(linked["holding"]).nunique().le(1).all()
    # the register's own data set has the same numbers, also for the spells of another time
    now = groups[groups["EINDBEOG"] == "88888888"]
    assert now.set_index("firm")["holding"].to_dict() == linked.set_index("firm")["holding"].to_dict()
    assert len(groups) > len(now)


def test_owners_that_are_no_firm_of_a_holding_are_one_each(firms: tuple[Site, LinkResult]) -> None:
    _, result = firms
    linked, buyers = (pd.read_parquet(result.frames[name].path) for name in ("firms", "transfers"))
    known = linked.set_index("firm")["holding"]
    entities = buyers["buyer"].isin(known.index)
    assert entities.sum() > 5
    assert (buyers["holding"][entities] == buyers["buyer"][entities].map(known.to_dict())).all()
    others = buyers[~entities & buyers["buyer"].notna()]
    assert set(others["holding_status"]) == {"S"}
    assert others.groupby("buyer")["holding"].nunique().eq(1).all()
    assert others.groupby("holding")["buyer"].nunique().eq(1).all()
    assert not set(others["holding"]) & set(known)


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
OF_ENTITIES = {"entity": "e", "register": "r", "unit": ("u",)}


@pytest.mark.parametrize(
    "key",
    [
        {"kind": "household"},
        {"kind": "household", "source": ("a", "b"), "derived": OF},
        {"kind": "entity", "derived": OF},
        {"kind": "family", "source": ("a", "b")},
        {"kind": "household", "derived": {**OF, "reference_date": "2016-01-01"}},
        {"kind": "holding", "derived": OF},
        {"kind": "household", "derived": OF_ENTITIES},
        {"kind": "holding", "derived": {**OF_ENTITIES, "person": "p"}},
        {"kind": "holding", "derived": {"register": "r", "unit": ("u",)}},
        {"kind": "holding", "derived": {**OF_ENTITIES, "unit": ("s", "u")}},
        {"kind": "holding", "derived": {**OF_ENTITIES, "members": (("s", "p"),)}},
        {"kind": "holding", "source": ("a",), "probabilistic": {"columns": {"name": "n"}}},
    ],
)
def test_keys_that_cannot_be_derived_are_refused(key: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Key.model_validate({"name": "h", **key})
    other = derived("household", "household", register="r", unit=("u",))
    with pytest.raises(ValueError, match="key of persons of the same data set"):
        DataSet(delivery="d", keys=(Key(name="home", kind="object", source=("bag_id",)), other))
    assert isinstance(other.derived, Membership)


def test_a_holding_is_derived_from_entities_only() -> None:
    assert HOLDING.derived is not None
    of_person = HOLDING.model_copy(update={"derived": HOLDING.derived.model_copy(update={"entity": "person"})})
    with pytest.raises(ValueError, match="a holding from one of entities"):
        DataSet(delivery="d", keys=(PERSON, of_person))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"delivery": "land_registry", "source": ("buyer_rsin",)}, "a delivery has no holding key"),
        ({"register": HOLDING_BUS, "source": ("BEID", "OGID")}, "of a holding the number"),
    ],
)
def test_a_holding_comes_from_a_register_by_its_number(
    site: Site, project: Project, tmp_path: Path, data: dict[str, Any], fault: str
) -> None:
    key = Key(name="holding", kind="holding", source=data.pop("source"))
    changed = {"data": {"groups": DataSet(**data, keys=(key,))}, "questions": {}, "analyses": ()}
    with pytest.raises(BadInput) as caught:
        site.at(tmp_path, project=project.model_copy(update=changed)).run()
    assert fault in " ".join(str(each) for each in caught.value.faults)


@pytest.mark.parametrize(("register_file", "column"), [(HOLDING_BUS, "OGID"), (HOUSEHOLD_BUS, "HUISHOUDNR")])
def test_the_register_s_own_number_of_a_unit_is_no_column_for_researchers(
    site: Site, project: Project, tmp_path: Path, register_file: str, column: str
) -> None:
    key = Key(name="m", kind="entity", source=("BEID",))
    if register_file == HOUSEHOLD_BUS:
        key = Key(name="m", kind="person", source=("RINPERSOONS", "RINPERSOON"))
    asked = Question(text="?", uses={"groups": (column,)})
    data = {"groups": DataSet(register=register_file, keys=(key,))}
    changed = {"data": data, "questions": {"Q1": asked}, "analyses": ()}
    with pytest.raises(Refused, match=f"column {column} says which unit"):
        site.at(tmp_path, project=project.model_copy(update=changed)).run()
