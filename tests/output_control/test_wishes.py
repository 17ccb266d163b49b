"""Cells that must stay published, and what hiding others costs: in a folder of `zicht protect` and in a request."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from enclave.errors import BadInput, CannotProtect, Refused
from enclave.requests import Protection, TableRequest, parse_requests
from output_control.alone.instance import read_instance
from output_control.alone.protect import protect
from output_control.audit import audit
from output_control.protection import Options, Pattern, Witnesses
from output_control.suppression import suppress
from output_control.tables.rules import MinimumFrequency, primary
from output_control.wishes import Cost, cost_by, kept_cells, weight_of
from tests.output_control.ledger_world import Past, cells_of, flat, homes, table_request
from tests.output_control.tables import cell, counts
from tests.output_control.tables import flat as dimension

ROWS: dict[tuple[str, ...], int] = {
        ("A", "f"): 2, ("A", "m"): 30, ("A", "x"): 70, ("B", "f"): 20, ("B", "m"): 31, ("B", "x"): 32, ("C", "f"): 400,
        ("C", "m"): 15, ("C", "x"): 50}  # fmt: skip
DESCRIPTION = {
    "name": "wished", "kind": "frequency", "measure": "n", "freq": "n", "contributor": None,
    "dims": [{"name": "r", "root": "T", "hierarchy": {"T": ["A", "B", "C"]}},
             {"name": "s", "root": "S", "hierarchy": {"S": ["f", "m", "x"]}}],
    "rule": {"type": "freq", "n": 10},
}  # fmt: skip


def folder(path: Path, **changes: object) -> Path:
    path.mkdir()
    (path / "desc.json").write_text(json.dumps(DESCRIPTION | changes))
    (path / "micro.csv").write_text("r,s,n\n" + "".join(f"{r},{s},{n}\n" for (r, s), n in ROWS.items()))
    return path


def hidden(out: Path) -> set[tuple[str, str]]:
    with (out / "pattern.csv").open() as file:
        return {(row["r"], row["s"]) for row in csv.DictReader(file)}


def test_a_cost_is_the_value_one_or_its_logarithm_times_the_weights_of_its_codes() -> None:
    table = counts((dimension("r", "AB"), dimension("s", "fm")), {("A", "f"): 3, ("A", "m"): 5, ("B", "f"): 7})
    assert cost_by("value", table) is None
    one, log = cost_by("count", table), cost_by("information", table)
    assert one is not None and log is not None
    assert one.tolist() == [1.0] * len(table) and log[cell(table, "A", "f")] == pytest.approx(np.log(4))
    weight = weight_of(table, {"r": {"r-total": 2.0, "B": 0.5}, "s": {"f": 3.0}})
    assert weight is not None
    # A has the weight of the total above it
    assert [weight[cell(table, *at)] for at in (("A", "f"), ("B", "f"), ("A", "m"))] == [6.0, 1.5, 2.0]
    by_value = cost_by("value", table, weight)
    assert by_value is not None and by_value[cell(table, "A", "f")] == pytest.approx(3 * 6)


def test_kept_cells_are_named_by_codes_and_else_the_total() -> None:
    table = counts((dimension("r", "AB"), dimension("s", "fm")), {("A", "f"): 3, ("A", "m"): 5, ("B", "f"): 7})
    kept = kept_cells(table, [{"r": ("A",)}, {"r": ("A", "B"), "s": ("f",)}])
    assert kept is not None and kept_cells(table, []) is None
    assert {table.labels(i) for i in np.flatnonzero(kept).tolist()} == {("A", "s-total"), ("A", "f"), ("B", "f")}


def cheapest(cost: Cost, weight: bool, keep: bool) -> None:
    """The optimum under a cost is that of all patterns, each tried with the audit."""
    dims = dimension("r", "ABC"), dimension("s", "fmx")
    table = counts(dims, ROWS)
    sensitive = primary(table, MinimumFrequency(10))
    weights = weight_of(table, {"r": {"B": 0.1}, "s": {"x": 4.0}}) if weight else None
    kept = kept_cells(table, [{"r": ("B",), "s": ("f",)}]) if keep else None
    options = Options(method="optimal", cost=cost_by(cost, table, weights), keep=kept)
    each = table.value if options.cost is None else options.cost
    free = [i for i in np.flatnonzero(~sensitive.mask).tolist() if kept is None or not kept[i]]
    inner = [
        i for i in free if table.codes[i].all()
    ]  # a pattern with totals is never cheaper here: they are the largest
    best = np.inf
    for size in range(len(inner) + 1):
        for more in itertools.combinations(inner, size):
            price = float(each[list(more)].sum())
            if price < best:
                away = sensitive.mask.copy()
                away[list(more)] = True
                none = Witnesses.none(len(table))
                tried = Pattern(away, away & ~sensitive.mask, none, 0.0, "", optimal=False, gap=None)
                best = price if audit(table, sensitive, tried, options).safe else best
    for method in ("optimal", "flow"):
        found = suppress(table, sensitive, options=Options(method=method, cost=options.cost, keep=kept))
        assert audit(table, sensitive, found, options).safe
        assert found.gap is None or found.cost * (1 - found.gap) <= best * (1 + 1e-6)
        assert kept is None or not found.suppressed[kept].any()
        if method == "optimal":
            assert found.optimal and found.cost == pytest.approx(best)


@pytest.mark.parametrize(
    ("cost", "weight", "keep"),
    [("value", False, True), ("count", False, False), ("information", False, True), ("value", True, False)],
)
def test_the_optimum_under_each_cost_is_the_cheapest_of_all_patterns(cost: Cost, weight: bool, keep: bool) -> None:
    cheapest(cost, weight, keep)


def test_a_folder_may_name_a_cost_cells_to_keep_and_weights_of_its_own(tmp_path: Path) -> None:
    protect(folder(tmp_path / "plain"), tmp_path / "by_value")
    assert hidden(tmp_path / "by_value") == {("A", "f"), ("A", "m"), ("B", "f"), ("B", "m")}
    protect(folder(tmp_path / "keep", keep=[{"r": "B", "s": ["f", "m"]}]), tmp_path / "kept")
    assert not hidden(tmp_path / "kept") & {("B", "f"), ("B", "m")} and ("A", "f") in hidden(tmp_path / "kept")
    report = protect(folder(tmp_path / "count", cost="count"), tmp_path / "by_count")
    assert (report.cost, report.optimal) == (3.0, True)
    own = folder(tmp_path / "own", cost="weights")
    table = read_instance(tmp_path / "plain").table
    lines = [
        f"{r},{s},{0 if (r, s) in {('A', 'x'), ('C', 'f'), ('C', 'x')} else 9}" for r, s in map(table.labels, range(16))
    ]
    (own / "weights.csv").write_text("r,s,weight\n" + "\n".join(lines) + "\n")
    report = protect(own, tmp_path / "by_weight")
    assert hidden(tmp_path / "by_weight") == {("A", "f"), ("A", "x"), ("C", "f"), ("C", "x")} and report.cost == 0


def test_a_folder_that_keeps_a_sensitive_cell_or_lacks_a_weight_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotProtect, match="must stay published"):
        protect(folder(tmp_path / "clash", keep=[{"r": "A", "s": "f"}]), tmp_path / "out")
    with pytest.raises(BadInput, match="does not hold"):
        read_instance(folder(tmp_path / "unknown", keep=[{"r": "Z"}]))
    own = folder(tmp_path / "own", cost="weights")
    with pytest.raises(BadInput, match=r"weights\.csv"):
        read_instance(own)
    (own / "weights.csv").write_text("r,s,weight\nA,f,1\nA,f,2\n")
    with pytest.raises(BadInput, match="stand twice"):
        read_instance(own)
    (own / "weights.csv").write_text("r,s,weight\nA,f,1\n")
    with pytest.raises(BadInput, match="15 cell"):
        read_instance(own)
    assert not (tmp_path / "out").exists()


SIZES = {("g0", "k0"): 3, ("g0", "k1"): 30, ("g0", "k2"): 40, ("g1", "k0"): 20, ("g1", "k1"): 31, ("g1", "k2"): 32,
         ("g2", "k0"): 50, ("g2", "k1"): 60, ("g2", "k2"): 70}  # fmt: skip
PAIRS = [pair for pair, size in SIZES.items() for _ in range(size)]


def past(tmp_path: Path) -> Past:
    return Past(tmp_path, {}, {"area": flat("area", "g", 3), "kind": flat("kind", "k", 3)})


DATA = homes(
    area=[a for a, _ in PAIRS], kind=[k for _, k in PAIRS], worth=[float(100 + i % 9) for i in range(len(PAIRS))]
)


def asked(name: str = "homes", **fields: object) -> TableRequest:
    return table_request("area", "kind", name=name, **fields)


def away(cells: dict[tuple[str, ...], float | None]) -> set[tuple[str, ...]]:
    return {at for at, value in cells.items() if value is None}


def test_a_request_keeps_cells_and_says_what_hiding_costs(tmp_path: Path) -> None:
    world = past(tmp_path)
    plain = away(cells_of(world.check(DATA, asked()), "area", "kind"))
    assert plain == {("g0", "k0"), ("g0", "k1"), ("g1", "k0"), ("g1", "k1")}
    kept = world.check(DATA, asked(wish={"keep": ({"area": "g1", "kind": "k0"},)}))
    assert away(cells_of(kept, "area", "kind")) == {("g0", "k0"), ("g0", "k1"), ("g2", "k0"), ("g2", "k1")}
    dear = world.check(DATA, asked(wish={"weights": {"area": {"g1": 9.0}, "kind": {"k1": 9.0}}}))
    assert away(cells_of(dear, "area", "kind")) == {("g0", "k0"), ("g0", "k2"), ("g2", "k0"), ("g2", "k2")}
    assert cells_of(world.check(DATA, asked(wish={"cost": "count"})), "area", "kind")
    told = json.loads(kept.checker_annex["annex/demo/homes.wish.json"])
    assert told["keep"] == [{"area": "g1", "kind": "k0"}] and "author chose" in told["note"]
    assert b"Wish of the author" in kept.checker_annex["annex/demo/homes.report.en.html"]
    assert not any(b"wish" in content for content in (*kept.outputs.values(), *kept.evidence.values()))


def test_a_sum_and_its_counts_keep_the_same_cells(tmp_path: Path) -> None:
    wish = {"keep": ({"area": "g1", "kind": "k0"},)}
    found = past(tmp_path).check(DATA, asked(statistic="sum", measure="worth", wish=wish))
    cells = cells_of(found, "area", "kind")
    assert cells["g1", "k0"] is not None and cells["g0", "k0"] is None


def test_what_cannot_stay_published_is_refused_in_one_and_the_same_words(tmp_path: Path) -> None:
    world = past(tmp_path)
    row = {"area": "g0", "kind": "k1"}, {"area": "g0", "kind": "k2"}, {"area": "g0"}
    said = []
    for keep in (({"area": "g0", "kind": "k0"},), row):
        with pytest.raises(Refused) as refusal:
            world.check(DATA, asked(wish={"keep": keep}))
        said.append(str(refusal.value))
    assert all("not all cells that are asked to stay published can" in each for each in said)


def test_a_wish_never_opens_what_an_earlier_release_hides(tmp_path: Path) -> None:
    world = past(tmp_path)
    before = away(cells_of(world.release("first", DATA, asked()), "area", "kind"))
    with pytest.raises(Refused, match="asked to stay published"):
        world.check(DATA, asked("second", wish={"keep": ({"area": "g0", "kind": "k0"},)}))
    # by itself the cheapest pattern would hide other cells, and the two tables together would then show all
    dear = asked("second", wish={"weights": {"area": {"g1": 9.0}, "kind": {"k1": 9.0}}})
    assert away(cells_of(world.check(DATA, dear), "area", "kind", name="second")) == before


def test_a_wish_names_dimensions_and_codes_of_a_table_of_exact_figures(tmp_path: Path) -> None:
    world = past(tmp_path)
    for wish, said in (
        ({"keep": ({"owner": "g1"},)}, "owner is no dimension"),
        ({"keep": ({"area": "g9"},)}, "no code g9"),
        ({"weights": {"kind": {"k9": 1.0}}}, "no code k9"),
    ):
        with pytest.raises(Refused, match=said):
            world.check(DATA, asked(wish=wish))
    with pytest.raises(Refused, match="exact, unweighted"):
        world.check(DATA, asked(wish={"cost": "count"}, protection=Protection(method="rounding", base=5)))
    text = json.dumps([json.loads(asked().model_dump_json()) | {"wish": {"weights": {"area": {"g1": -1}}}}])
    with pytest.raises(Refused, match="wish"):
        parse_requests(text)
