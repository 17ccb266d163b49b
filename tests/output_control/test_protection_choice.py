"""A table protected in the way that its request chose: what leaves, what says so, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest

from enclave.errors import KeyUnavailable, Refused
from enclave.requests import Protection
from output_control.alternatives.allowed import chosen
from output_control.policy import NOISE_FILE, load_policy
from output_control.table_check import judge_table
from tests.output_control.gate_world import PUBLIC, World, policy_in, random_homes, table_request
from tests.output_control.statistic_rows import flagged

CELLS = "outputs/demo/homes.csv"
WAYS = [
    Protection(method="rounding", base=5),
    Protection(method="rounding", base=10),
    Protection(method="small_count_rounding", base=10),
    Protection(method="cell_key"),
]


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def homes(seed: int = 1, rows: int = 1500) -> pa.Table:
    """Random homes, each with an owner of its own: then no dominance is at stake, only small counts."""
    data = random_homes(seed, rows)
    return data.set_column(data.column_names.index("owner"), "owner", pa.array(range(rows), pa.int64()))


def world(folder: Path, seed: int = 1) -> World:
    return World(folder).add("homes", homes(seed))


def name_of(way: Protection) -> str:
    return f"{way.method}-{way.base}"


@pytest.mark.parametrize("way", WAYS, ids=name_of)
def test_altered_figures_leave_with_one_status_and_their_method(tmp_path: Path, way: Protection) -> None:
    here = world(tmp_path)
    out = here.check(table_request("region", "kind", protection=way))
    rows = rows_of(out.outputs[CELLS])
    said = json.loads(out.evidence["evidence/demo/homes.json"])

    # one pair for every figure, changed or not: else the status would say which are true
    assert {(row["OBS_STATUS"], row["CONF_STATUS"]) for row in rows} == {("E", "F")}
    assert said["protection"]["method"] == way.method
    assert said["audit"]["passed"] is True
    assert said["cells"]["suppressed"] == 0
    assert said["cells"]["published_zero"] == sum(row["value"] == "0" for row in rows)
    described = json.loads(out.outputs[CELLS + "-metadata.json"])
    meaning = next(c["dc:description"] for c in described["tableSchema"]["columns"] if c["name"] == "value")
    assert ("totals add up" in meaning) == said["protection"]["additive"]
    if way.base:
        assert all(int(row["value"]) % way.base == 0 for row in rows if int(row["value"]) < way.base)


@pytest.mark.parametrize("way", WAYS, ids=name_of)
def test_the_same_request_gives_the_same_bytes_and_another_key_others(tmp_path: Path, way: Protection) -> None:
    here = world(tmp_path)
    request = table_request("region", "kind", protection=way)
    once, again = here.check(request), here.check(request, threads=2)

    assert once.outputs == again.outputs
    assert once.checker_annex == again.checker_annex
    if (way.method, way.base) in (("rounding", 5), ("small_count_rounding", 10)):
        return  # so few figures of this table can go either way that two keys may well agree
    key = tmp_path / "gate" / NOISE_FILE
    key.write_bytes(bytes(reversed(key.read_bytes())))
    assert here.check(request).outputs[CELLS] != once.outputs[CELLS]


def test_the_same_cell_has_the_same_noise_in_two_tables(tmp_path: Path) -> None:
    here = world(tmp_path)
    way = Protection(method="cell_key")
    wide = rows_of(here.check(table_request("region", "kind", protection=way)).outputs[CELLS])
    narrow = rows_of(here.check(table_request("region", protection=way)).outputs[CELLS])
    totals = {row["region"]: row["value"] for row in wide if row["kind"] == "all"}

    assert {row["region"]: row["value"] for row in narrow} == totals


def test_the_noise_does_not_depend_on_the_engine_or_the_order_of_rows(tmp_path: Path) -> None:
    request = table_request("region", "kind", protection=Protection(method="cell_key"))
    data = homes()
    forth = World(tmp_path).add("homes", data).check(request)
    back = World(tmp_path).add("homes", data.take(list(reversed(range(1500))))).check(request)

    assert forth.outputs == back.outputs


def test_a_coarser_table_hides_whole_margins_and_says_so(tmp_path: Path) -> None:
    here = World(tmp_path).add("homes", random_homes(3, 160))
    plain = here.check(table_request("region", "kind"))
    out = here.check(table_request("region", "kind", protection=Protection(method="coarser")))
    said = json.loads(out.evidence["evidence/demo/homes.json"])

    assert {row["OBS_STATUS"] for row in rows_of(out.outputs[CELLS])} == {"A", "Q"}
    assert any("left out as a whole" in note for note in said["notes"])
    assert said["cells"]["suppressed"] >= json.loads(plain.evidence["evidence/demo/homes.json"])["cells"]["suppressed"]


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        (Protection(method="rounding", base=3), "needs a base of 5, 10"),
        (Protection(method="rounding"), "needs a base of 5, 10"),
        (Protection(method="cell_key", base=5), "has no base"),
        (Protection(base=5), "suppression has no base"),
    ],
    ids=lambda value: value if isinstance(value, str) else name_of(value),
)
def test_parameters_that_the_policy_does_not_list_are_refused(tmp_path: Path, way: Protection, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        world(tmp_path).check(table_request("region", "kind", protection=way))


def test_without_a_list_in_the_policy_only_suppression_is_allowed(tmp_path: Path) -> None:
    here = world(tmp_path)
    here.policy_overrides = {}
    text = PUBLIC.read_text()
    start, end = text.index("  protections:"), text.index("models:")
    bare = tmp_path / "bare" / "cbs_ra.yaml"
    bare.parent.mkdir()
    bare.write_text(text[:start] + text[end:])
    policy_in(tmp_path)
    policy = load_policy(bare, tmp_path / "gate")

    assert policy.protections == ()
    assert chosen(Protection(), policy.protections) == (None, "")
    assert "is not allowed here" in chosen(Protection(method="cell_key"), policy.protections)[1]


def test_a_method_that_leaves_figures_too_narrow_is_refused_with_those_that_do_not(tmp_path: Path) -> None:
    here = world(tmp_path)
    here.policy_overrides = {"count_protection": {"kind": "width", "width": 8}}
    with pytest.raises(Refused) as caught:
        here.check(table_request("region", "kind", protection=Protection(method="rounding", base=5)))

    said = str(caught.value)
    assert "rounding (every figure rounded to a multiple of 5" in said
    assert "narrow down too far" in said
    assert "safe for this table under the policy: suppression" in said


def test_many_records_of_one_owner_are_not_hidden_by_a_little_noise(tmp_path: Path) -> None:
    """Twelve homes of one owner: a count of 12 is no small count, and base 10 leaves it as it is."""
    kinds = ["k1"] * 12 + ["k2"] * 60 + ["k3"] * 60
    owners = [1] * 12 + list(range(100, 220))
    data = pa.table({"home": pa.array(range(132), pa.int64()), "owner": pa.array(owners, pa.int64()), "kind": kinds})
    with pytest.raises(Refused, match="narrow down too far"):
        World(tmp_path).add("homes", data).check(
            table_request("kind", protection=Protection(method="small_count_rounding", base=10))
        )


def test_noise_tells_that_somebody_is_there_which_is_too_much_of_a_single_owner(tmp_path: Path) -> None:
    """Where owners hold several homes dominance is asked of counts: one owner's cell must be able to be empty."""
    with pytest.raises(Refused, match="narrow down too far"):
        World(tmp_path).add("homes", random_homes(1, 1500)).check(
            table_request("region", "kind", protection=Protection(method="cell_key"))
        )


def test_sums_are_not_altered(tmp_path: Path) -> None:
    request = table_request("kind", statistic="sum", measure="worth", protection=Protection(method="cell_key"))
    with pytest.raises(Refused, match="cell_key is for plain counts"):
        world(tmp_path).check(request)


def test_without_a_noise_key_no_noise_is_drawn(tmp_path: Path) -> None:
    here = world(tmp_path)
    policy = policy_in(tmp_path).model_copy(update={"noise_key": b""})
    request = table_request("region", "kind", protection=Protection(method="cell_key"))
    with here.sources() as sources, pytest.raises(KeyUnavailable, match="no noise key"):
        judge_table(request, sources, here.classifications, policy)


def test_the_author_sees_the_comparison_without_numbers_of_sensitive_cells(tmp_path: Path) -> None:
    out = world(tmp_path).check(table_request("region", "kind"))
    author = json.loads(out.researcher_files["demo/homes.comparison.json"])["methods"]
    checkers = json.loads(out.checker_annex["annex/demo/homes.comparison.json"])["methods"]

    assert [row["method"] for row in author] == [
        "suppression", "coarser", "rounding", "rounding", "small_count_rounding", "cell_key",
    ]  # fmt: skip
    assert all(set(row) == {"method", "parameters", "safe", "additive", "reason", "loss"} for row in author)
    assert all({"sensitive", "unprotected", "median_width"} < set(row) for row in checkers)
    suppression = author[0]["loss"]
    hidden = json.loads(out.evidence["evidence/demo/homes.json"])["cells"]["suppressed"]
    assert suppression["cells_lost"] == hidden
    rounded = next(at for at, row in enumerate(author) if row["parameters"] == "base 5")
    assert author[rounded]["loss"]["cells_lost"] == 0 and checkers[rounded]["loss"]["largest_deviation"] <= 5


def test_the_author_learns_no_hidden_figure_from_what_a_protection_costs(tmp_path: Path) -> None:
    """The losses of the roundings single out the hidden counts, for who knows all others."""
    out = world(tmp_path).check(table_request("region", "kind"))
    author = json.loads(out.researcher_files["demo/homes.comparison.json"])["methods"]
    checkers = json.loads(out.checker_annex["annex/demo/homes.comparison.json"])["methods"]

    assert {name for row in author if row["loss"] for name in row["loss"]} == {"cells", "cells_lost"}
    assert any(row["loss"]["mean_absolute_deviation"] for row in checkers if row["loss"])
    for page in ("homes.report.en.html", "homes.report.nl.html"):
        text = out.researcher_files[f"demo/{page}"].decode()
        exact = {f"{row['loss']['mean_absolute_deviation']:.2f}" for row in checkers if row["loss"]}
        assert not any(f">{figure}<" in text for figure in exact - {"0.00"})


def test_all_splits_of_two_hidden_counts_give_the_author_one_comparison(tmp_path: Path) -> None:
    """k1 + k2 = 23 beside k3 = 60: in classes of 1, 2 or 5 times a power of ten each of these splits had its own."""
    told = set()
    for few in (1, 4, 9):
        folder = tmp_path / str(few)
        folder.mkdir()
        data = flagged((few, "G1a1", "k1"), (23 - few, "G1a1", "k2"), (60, "G1a1", "k3"))
        out = World(folder).add("homes", data).check(table_request("kind"))
        told.add(out.researcher_files["demo/homes.comparison.json"])
    assert len(told) == 1


def test_nothing_for_the_author_or_the_checkers_leaves(tmp_path: Path) -> None:
    out = world(tmp_path).check(table_request("region", "kind"))

    assert set(out.researcher_files) == {
        "demo/homes.comparison.json", "demo/homes.report.en.html", "demo/homes.report.nl.html",
    }  # fmt: skip
    leaving = b"".join([*out.outputs.values(), *out.evidence.values()])
    assert b"median_width" not in leaving and b"hellinger" not in leaving
