"""The reports of models and distributions: one of every kind, for either reader, with the figures of the data."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.requests import CorrelationRequest, RegressionRequest, Term, TreeRequest
from output_control.policy.models import UNAUDITED
from output_control.report.grounds import DOMINANCE, asked_for, held
from output_control.sealed import CheckedOutput
from tests.output_control.distribution_requests import ONE_OF_EACH, asked, homes, mixed, ties
from tests.output_control.gate_world import World
from tests.output_control.test_report import Elements

ROWS = 2003  # no multiple of the base that counts are rounded to
TERMS = (Term(column="u"), Term(column="flag"), Term(column="kind", categorical=True, reference="a"))
MODELS = {
    "regression": asked(RegressionRequest, name="regression", outcome="y", terms=TERMS, robust=True),
    "tree": asked(TreeRequest, name="tree", outcome="y", features=("score", "u")),
}


def page(out: CheckedOutput, name: str, language: str = "en", *, author: bool = False) -> str:
    return (
        out.researcher_files[f"demo/{name}.report.{language}.html"]
        if author
        else out.checker_annex[f"annex/demo/{name}.report.{language}.html"]
    ).decode()


def row_of(text: str, start: str) -> list[str]:
    """The cells of the first row whose heading begins with ``start``, without their mark-up."""
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", text)]
    plain = [[re.sub(r"<[^>]+>", "", cell) for cell in row] for row in rows]
    return next(row for row in plain if row and row[0].startswith(start))


def section(text: str, name: str) -> str:
    return text.split(f'id="{name}"')[1].partition("</section>")[0]


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> CheckedOutput:
    """Each kind once."""
    edges = ties()
    members = pa.table({"home": edges.column("home"), "owner": edges.column("owner")})
    world = (
        World(tmp_path_factory.mktemp("every")).add("homes", mixed(rows=ROWS)).add("ties", edges, population=members)
    )
    made = {**ONE_OF_EACH, **MODELS}
    of_ties = made["network"].population.model_copy(update={"dataset": "ties"})
    made["network"] = made["network"].model_copy(update={"population": of_ties})
    return world.check(*made.values())  # type: ignore[arg-type]  # all are kinds of the union


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("author", [False, True], ids=["checkers", "author"])
@pytest.mark.parametrize("kind", UNAUDITED)
def test_every_kind_has_a_page_that_everyone_can_read_and_nothing_runs_in(
    every: CheckedOutput, kind: str, author: bool, language: str
) -> None:
    elements = Elements(page(every, kind, language, author=author))
    names = [name for name, _ in elements.found]
    targets = {attributes["id"] for _, attributes in elements.found if attributes.get("id")}

    assert elements.all("html")[0]["lang"] == language
    assert not elements.all("script") and not any(a.get("style") for _, a in elements.found)
    assert names.count("h1") == names.count("main") == 1
    assert names.count("table") == names.count("caption") > 3
    assert all(heading.get("scope") in ("row", "col") for heading in elements.all("th"))
    assert all(d.get("tabindex") == "0" and d.get("aria-label") for d in elements.all("div"))
    assert {str(a["href"])[1:] for a in elements.all("a") if str(a["href"]).startswith("#")} <= targets
    assert ("basis" in targets) is not author


@pytest.mark.parametrize("kind", UNAUDITED)
def test_the_author_sees_no_exact_number_and_nothing_of_how_near_a_rule_is(every: CheckedOutput, kind: str) -> None:
    checkers, author = page(every, kind), page(every, kind, author=True)

    if kind != "network":
        assert ">2\u202f003<" in section(checkers, "summary")
    assert "2\u202f003" not in author and "2003" not in author
    assert "Nearest" in checkers and "Nearest" not in author
    assert "exact" not in section(author, "summary")
    assert "For output checkers only" in checkers and "For who asked" in author


def test_a_regression_shows_its_degrees_of_freedom_and_the_units_of_every_level(every: CheckedOutput) -> None:
    data, text = mixed(rows=ROWS), page(every, "regression")
    kind, outcome = np.array(data["kind"].to_pylist()), np.array(data["y"].to_pylist())
    flag = np.array(data["flag"].to_pylist())
    said = [int(((kind == code) & (outcome == y)).sum()) for code in "ab" for y in (1, 0)]
    sides = [int(((flag == value) & (outcome == y)).sum()) for value in (0, 1) for y in (1, 0)]

    assert row_of(text, "Residual degrees of freedom, in units")[1] == "1\u202f999"  # 2,003 less four coefficients
    assert row_of(text, "Units per level")[2] == f"{min([*said, *sides])}"
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr>(.*?)</tr>", section(text, "basis"))]
    reference = next(row for row in rows if row[:3] == ["kind", "a", "*"])
    assert [int(each) for each in reference[-3:-1]] == said[:2]
    assert "models.residual_df" in text and "distributions.unit_in_direction" in text


def test_merged_classes_are_named_with_the_rule_that_merged_them(every: CheckedOutput) -> None:
    for kind, noun in (("histogram", "Class 1"), ("roc", "Step"), ("survival", "≤")):
        for author in (False, True):  # whoever sees the edges sees that they were merged
            found = section(page(every, kind, author=author), "changes")
            assert noun in found and "merged" in found
        assert "tables.minimum_frequency" in section(page(every, kind), "changes")


def test_splits_that_were_taken_back_are_for_checkers(every: CheckedOutput) -> None:
    assert re.search(r"splits taken back: [1-9]", page(every, "tree"))
    assert "taken back" not in page(every, "tree", author=True)


def test_a_hidden_correlation_has_its_reason_for_checkers_and_none_for_the_author(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    spike = np.where(np.arange(500) == 0, 1000.0, rng.normal(size=500))
    data = homes(500, a=rng.normal(size=500), b=rng.normal(size=500), spike=spike)
    request = asked(CorrelationRequest, name="pairs", features=("a", "b", "spike"))
    out = World(tmp_path).add("homes", data).check(request)
    checkers, author = page(out, "pairs"), page(out, "pairs", author=True)

    assert "one unit holds most of a column&#x27;s spread" in section(checkers, "changes")
    assert "a × spike; b × spike" in section(checkers, "changes")
    assert row_of(checkers, "One unit&#x27;s part")[-1] == "figures hidden: 2"
    assert "a × spike; b × spike" in section(author, "changes")
    assert "spread" not in section(author, "changes") and "confidential" in section(author, "changes")
    # what is hidden is a mark with a name, in both
    assert section(author, "released").count('aria-label="hidden"') == 4


def test_the_values_asked_are_those_of_the_policy(tmp_path: Path) -> None:
    world = World(tmp_path, policy_overrides={"residual_df": 17})
    assert held(world.policy, "residual_df", "models.residual_df", 40).asked == 17
    assert held(world.policy, "record_dominance", DOMINANCE, 0.1).asked is None
    with pytest.raises(AttributeError):
        held(world.policy, "residual_df", "models.degrees", 40)


def test_what_was_asked_is_said_with_zeros_and_choices() -> None:
    said = dict(asked_for(ONE_OF_EACH["histogram"]))
    assert said["start"] == "0" and said["bins"] == "10" and "bandwidth" not in said
    assert dict(asked_for(MODELS["regression"]))["terms"] == "u, flag, kind (a)"
    assert "robust" in dict(asked_for(MODELS["regression"]))


def test_dominance_parameters_stand_on_no_page(every: CheckedOutput, tmp_path: Path) -> None:
    hidden = World(tmp_path).policy.confidential
    told = [f">{rule.k:g}" for rule in hidden.dominance] + [f">{hidden.p_percent:g}<"]
    for kind in UNAUDITED:
        checks = section(page(every, kind), "checks")
        for row in re.findall(r"<tr>(.*?)</tr>", checks):
            if "dominance (confidential)" in row:
                assert not any(each in row for each in told)
