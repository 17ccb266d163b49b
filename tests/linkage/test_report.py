"""The linkage report: exact in the key zone, and without small counts for researchers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.project import Project
from linkage.link import LinkResult
from linkage.minimisation import minimise, names_in_code
from linkage.report import Counts, Group, LinkageReport, mask_groups, total
from tests.linkage.conftest import Site
from tests.linkage.linked_rows import delivered, key_register


def test_counts_per_supplier_sex_and_age_are_those_of_the_delivery(site: Site, linked: LinkResult) -> None:
    debts = next(found for found in linked.report.data_sets if found.name == "debts")
    given_rows = delivered(site.country, "*/*.xlsx")
    groups = {(group.by, group.category): group.counts.records for group in debts.keys[0].groups}
    for code, count in given_rows["sex"].value_counts().items():
        assert groups["sex", str(code)] == count
    ages = 2016 - given_rows["birth_date"].str[-4:].astype(int)
    for band, low, high in (("18-29", 18, 29), ("30-44", 30, 44), ("45-64", 45, 64), ("65+", 65, 119)):
        assert groups.get(("age", band), 0) == ages.between(low, high).sum()
    for path in sorted((site.country / "deliveries").glob("*/*.xlsx")):
        count = len(delivered(site.country, f"{path.parent.name}/*.xlsx"))
        assert groups["supplier", path.parent.name] == count
    assert debts.rows == len(given_rows)


def test_the_match_rate_is_that_of_the_key_register(site: Site, linked: LinkResult) -> None:
    given_rows = delivered(site.country, "kadaster/*")
    bsn, firms = set(key_register(site.country, "persons")["bsn"]), key_register(site.country, "entities")
    known = given_rows["buyer_bsn"].isin(bsn) | given_rows["buyer_rsin"].isin(firms["rsin"])
    known |= given_rows["buyer_kvk"].isin(firms["kvk"]) & (given_rows["buyer_kvk"] != "")
    transfers = next(found for found in linked.report.data_sets if found.name == "transfers")
    assert transfers.keys[1].counts.matched == known.sum()
    assert transfers.keys[1].counts.rate == pytest.approx(known.mean())


def test_no_rate_is_told_of_what_only_linked_records_have(site: Site, linked: LinkResult) -> None:
    """Owners of the land registry come with a year of birth; sex and origin are the register's, of linked ones."""
    owner = next(found for found in linked.report.data_sets if found.name == "transfers").keys[1]
    assert owner.told_by_register == ("origin", "sex")
    page = (site.out / "linkage.md").read_text()
    rows = page[page.index(f"## transfers: {owner.key}") :].split("## ")[1].splitlines()
    rates = {by: [row for row in rows if row.startswith(f"| {by} |") and "·" not in row] for by in ("sex", "age")}
    assert all(row.endswith("| – |") for row in rates["sex"])
    assert all(row.endswith("% |") for row in rates["age"])
    assert all(rates.values())


def test_the_full_report_is_private_and_the_researchers_one_has_no_small_count(site: Site, linked: LinkResult) -> None:
    full = site.zone.folder / "linkage.json"
    assert full.stat().st_mode & 0o077 == 0
    assert LinkageReport.model_validate_json(full.read_text()) == linked.report
    seen = json.loads((site.out / "linkage.json").read_text())
    small = [
        part
        for found in seen["data_sets"]
        for key in found["keys"]
        for counts in [key["counts"], *(group["counts"] for group in key["groups"])]
        for part in counts.values()
        if part is not None and 0 < part < 10
    ]
    assert not small
    assert "clearances" in (site.out / "linkage.md").read_text()
    assert linked.report.for_researchers().for_researchers() == linked.report.for_researchers()


_counts = st.builds(
    Counts,
    matched=st.integers(0, 40),
    unmatched=st.integers(0, 15),
    without=st.one_of(st.just(0), st.integers(0, 15)),
)


@given(st.lists(_counts, max_size=8))
def test_no_small_count_comes_back_by_subtracting_from_a_public_total(listed: list[Counts]) -> None:
    groups = [Group(by="sex", category=str(i), counts=counts) for i, counts in enumerate(listed)]
    masked = mask_groups(groups)
    whole = total(listed)
    hidden = [counts for counts, group in zip(listed, masked, strict=True) if group.counts.hidden]
    assert not any(group.counts.is_small() for group in masked)
    for name in ("matched", "unmatched", "without"):
        public = getattr(whole, name) >= 10 or getattr(whole, name) == 0
        difference = sum(getattr(counts, name) for counts in hidden)
        assert not public or difference == 0 or difference >= 10 or len(hidden) == len(listed)
    if not any(counts.is_small() for counts in listed):
        assert not hidden


def test_the_rate_counts_records_that_have_an_identifier() -> None:
    assert Counts(matched=30, unmatched=10, without=60).rate == 0.75
    assert Counts(matched=0, unmatched=0, without=5).rate is None
    assert Counts().rate is None


def test_minimisation_names_unused_and_undeclared_columns(project: Project) -> None:
    code = "import x\ndef f(d):\n    return d.select('clearance_date', y=nw.col('start_date'))\n"
    found = minimise(
        project,
        {"debts": ["start_date", "end_date", "debt_eur"], "property_tax": ["woz_value"]},
        {"hemp_risk": names_in_code(code)},
    )
    assert found.undeclared == {"debts": ("debt_eur",), "property_tax": ("woz_value",)}
    assert found.unused["debts"] == ("end_date",)
    assert "clearances" not in found.unused
    assert found.declared["dwellings"]["WONINGTYPE"] == ("D2", "V3")
    assert found.unused["transfers"] == ("deed_date", "deed_sequence", "deed_type")


def test_the_real_analyses_use_every_column_that_the_project_declares(project: Project) -> None:
    from tests.linkage.conftest import CHECKOUT

    named = {
        use.name: names_in_code((CHECKOUT / "analyses" / use.name / f"v{use.version}.py").read_text())
        for use in project.analyses
    }
    assert minimise(project, {}, named).unused == {}
