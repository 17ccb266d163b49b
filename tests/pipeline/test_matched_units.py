"""Homes without a BAG number and firms without RSIN or KvK number in the whole job, against what was planted."""

from __future__ import annotations

import pandas as pd
import pytest

from enclave.errors import BadInput
from enclave.project import Key, Probabilistic
from pipeline.matched_keys import MatchedKey
from pipeline.matching import _refuse_undeclared
from tests.pipeline.job import Job, read_linked
from tests.pseudonymise.small_town import SCHEMAS

pytestmark = pytest.mark.xdist_group("main-job")


def linked(job: Job, name: str) -> pd.DataFrame:
    return read_linked(job.workspace / f"linked/ondermijning/{name}.parquet", job.workspace).to_pandas()


def test_homes_without_a_bag_number_are_those_where_the_occupant_lived(
    main_job: Job, request: pytest.FixtureRequest
) -> None:
    cleared = linked(main_job, "clearances")
    wanted = cleared[cleared.dwelling_weight.notna() | (cleared.dwelling_status == "")]
    found = wanted[wanted.dwelling_weight.notna()]
    spells = linked(main_job, "addresses")
    lived = set(zip(spells.person, spells.dwelling, strict=True))
    right = [home in lived for home in zip(found.occupant, found.dwelling, strict=True)]
    assert 0.08 < len(wanted) / len(cleared) < 0.22
    assert len(found) >= {25_000: 30, 50_000: 50}[request.node.callspec.params["main_job"]]
    assert sum(right) >= len(found) - 1, "of so few a share would say nothing finer"
    assert sum(right) / len(wanted) >= 0.95
    assert set(found.dwelling_status) == {"R"}
    assert found.dwelling_pass.min() > 1


def test_firms_without_a_number_are_the_owners_that_the_register_says(main_job: Job) -> None:
    valued = linked(main_job, "valuations")
    firms = valued[valued.owner_kind.astype(str) == "2"]
    known = linked(main_job, "property_2016").drop_duplicates("dwelling").set_index("dwelling").owner
    wanted = firms[firms.owner_weight.notna() | (firms.owner_status == "")]
    wanted = wanted.assign(truth=wanted.dwelling.map(known)).dropna(subset="truth")
    found = wanted[wanted.owner_weight.notna()]
    right = (found.owner == found.truth).sum()
    assert 0.02 < len(wanted) / len(firms) < 0.06
    assert right / len(found) >= 0.99
    assert right / len(wanted) >= 0.95
    assert valued[valued.owner_kind.astype(str) == "1"].owner_weight.isna().all(), "nobody else was looked for"


def test_each_kind_has_a_report_and_a_sample_for_clerks(main_job: Job) -> None:
    quality = (main_job.workspace / "keys/ondermijning/linkage_quality.md").read_text()
    for name, table_pass in (("clearances: dwelling", "| address |"), ("valuations: owner", "| name |")):
        section = quality.split(f"## {name}")[1].split("\n## ")[0]
        assert table_pass in section
        assert "For whom it is right" in section
        sample = main_job.workspace / f"identified/review/ondermijning-{name.replace(': ', '-')}.parquet"
        assert sample.read_bytes()[:4] == b"PARE"


def test_persons_are_together_in_a_household_just_when_the_income_register_has_them_together(main_job: Job) -> None:
    persons, incomes = linked(main_job, "persons"), linked(main_job, "household_link_2015")
    both = persons.merge(incomes, on="person", suffixes=("", "_of_incomes"))
    assert len(both) == len(persons)
    assert both.groupby("household").household_of_incomes.nunique().eq(1).all()
    assert both.groupby("household_of_incomes").household.nunique().eq(1).all()
    assert 1.5 < len(both) / both.household.nunique() < 3
    numbers = [set(persons[name]) for name in ("person", "household", "family")]
    assert sum(map(len, numbers)) == len(set.union(*numbers)), "a number says one unit of one kind"


def test_columns_and_codes_that_the_schema_has_not_are_refused() -> None:
    how = Probabilistic(columns={"name": "firm"}, unit="entity", where={"owner_kind": "9", "owner_name": "2"})
    key = Key(name="owner", kind="owner", source=("owner_rsin",), probabilistic=how)
    with pytest.raises(BadInput) as caught:
        _refuse_undeclared(MatchedKey("valuations", "property_tax", key), how, SCHEMAS["property_tax"])
    assert {(fault.check, fault.column) for fault in caught.value.faults} == {
        ("column", "firm"),
        ("code", "owner_kind"),
        ("code", "owner_name"),
    }
