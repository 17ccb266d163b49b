"""What `zicht protect` must know before it may call a table safe: whose a contribution is, and how many there are."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from enclave.errors import BadInput, StorageFailed
from output_control.alone.instance import NOT_COUNTED, NOT_NAMED, ONE_CELL_EACH, read_instance
from output_control.alone.protect import protect

FREQ = {"type": "freq", "n": 3}
P, NK, PQ = {"type": "p", "p": 10}, {"type": "nk", "n": [1], "k": [75]}, {"type": "pq", "p": 10, "q": 50}
SUMS = [
    *(("A", 1, 900, "a1"), ("A", 1, 10, "a2"), ("A", 1, 5, "a3")),  # 10 % of 900 is more than the 5 of the third
    *((where, 1, 100, f"{where}{at}") for where in "BC" for at in range(6)),
]


def folder(
    at: Path,
    rows: list[tuple[object, ...]],
    *,
    columns: str = "place,n,value,id",
    file: str = "micro.csv",
    **changes: object,
) -> Path:
    """A folder of one table by place: T of A, B and C."""
    at.mkdir(parents=True, exist_ok=True)
    dims = [{"name": "place", "root": "T", "hierarchy": {"T": ["A", "B", "C"]}}]
    described = {"name": "t", "kind": "magnitude", "dims": dims, "measure": "value", "freq": "n", "contributor": "id"}
    (at / "desc.json").write_text(json.dumps(described | {"rule": P} | changes))
    (at / file).write_text("".join(",".join(map(str, row)) + "\n" for row in [columns.split(","), *rows]))
    return at


def found(at: Path) -> dict[str, str]:
    """The primaries of a folder, with their rules."""
    instance = read_instance(at)
    sensitive = instance.sensitive(instance.rules)
    return {instance.table.labels(i)[0]: str(sensitive.reason[i]) for i in sensitive.mask.nonzero()[0].tolist()}


@pytest.mark.parametrize("rule", [P, NK, PQ, {"type": "any", "rules": [P, FREQ]}])
def test_sums_without_contributors_are_not_judged_by_dominance(tmp_path: Path, rule: object) -> None:
    assert found(folder(tmp_path / "named", SUMS, rule=rule)).keys() == {"A"}
    with pytest.raises(BadInput, match=r"desc\.json, contributor"):
        protect(folder(tmp_path / "unnamed", SUMS, rule=rule, contributor=None), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_minimum_frequency_needs_no_contributors(tmp_path: Path) -> None:
    at = folder(tmp_path / "in", SUMS, rule={"type": "freq", "n": 4}, contributor=None)
    assert found(at) == {"A": "freq"}


@pytest.mark.parametrize(
    ("rule", "sensitive"),
    [
        (P, {1, 2}),  # 10 % of 1 against n - 2
        (PQ, {1, 2}),
        ({"type": "nk", "n": [1], "k": [50]}, {1}),  # 1 / 2 is no more than 50 %
        ({"type": "nk", "n": [3], "k": [85]}, {1, 2, 3}),  # 3 / 4 is 75 %
        ({"type": "any", "rules": [P, FREQ]}, {1, 2}),
    ],
)
def test_in_counts_each_unit_counts_once_for_dominance(tmp_path: Path, rule: object, sensitive: set[int]) -> None:
    for count in range(1, 6):
        rows = [("A", count), ("B", 50), ("C", 60)]
        at = folder(tmp_path / str(count), rows, columns="place,n", kind="frequency", contributor=None, rule=rule)
        assert found(at).keys() == ({"A"} if count in sensitive else set())
        cells = [("T", 110 + count, 110 + count), *((where, n, n) for where, n in rows)]
        at = folder(tmp_path / f"c{count}", cells, columns="place,freq,value", file="cells.csv", kind="frequency",
                    contributor=None, rule=rule)  # fmt: skip
        assert found(at).keys() == ({"A"} if count in sensitive else set())


def test_counts_are_of_contributors_where_these_are_named(tmp_path: Path) -> None:
    rows = [*(("A", 1, 0, "one") for _ in range(12)), *((w, 1, 0, f"{w}{at}") for w in "BC" for at in range(12))]
    assert found(folder(tmp_path / "in", rows, kind="frequency", rule=FREQ)) == {"A": "freq"}
    assert found(folder(tmp_path / "out", rows, kind="frequency", rule=NK)) == {"A": "nk"}


CELLS = [
    ("T", 15, 1715, 15, 900, 100, 100),
    ("A", 3, 915, 3, 900, 10, 5),
    ("B", 6, 400, 6, 180, 100, 90),
    ("C", 6, 400, 6, 100, 90, 80),
]
COLUMNS = "place,freq,value,ncontr,top1,top2,top3"


def cells(at: Path, rows: list[tuple[object, ...]], *, without: tuple[str, ...] = (), **changes: object) -> Path:
    kept = [at for at, name in enumerate(COLUMNS.split(",")) if name not in without]
    return folder(
        at,
        [tuple(row[i] for i in kept) for row in rows],
        columns=",".join(COLUMNS.split(",")[i] for i in kept),
        file="cells.csv",
        **changes,
    )


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"rule": {"type": "nk", "n": [1], "k": [75]}}, 1),
        ({"rule": P}, 2),
        ({"rule": PQ}, 2),
        ({"rule": {"type": "nk", "n": [1, 3], "k": [95, 90]}}, 3),  # B: 370 / 400
        ({"rule": P, "coalition": 2}, 3),
        ({"rule": {"type": "any", "rules": [FREQ, P]}, "coalition": 2}, 3),
    ],
)
def test_cells_must_hold_as_many_contributions_as_the_rules_read(
    tmp_path: Path, changes: dict[str, object], needed: int
) -> None:
    tops = ("top1", "top2", "top3")
    whole = found(cells(tmp_path / "whole", CELLS, **changes))
    assert "A" in whole
    assert found(cells(tmp_path / "enough", CELLS, without=tops[needed:], **changes)) == whole
    with pytest.raises(BadInput, match=f"needs {', '.join(tops[:needed])}, or else primary"):
        protect(cells(tmp_path / "short", CELLS, without=tops[needed - 1 :], **changes), tmp_path / "out")


def test_marks_of_the_owner_do_not_take_the_place_of_another_rule(tmp_path: Path) -> None:
    rows = [(*row[:3], int(row[0] == "B"), 20) for row in CELLS]
    rule = {"type": "any", "rules": [P, {"type": "freq", "n": 4}]}
    at = folder(tmp_path / "in", rows, columns="place,freq,value,primary,upl", file="cells.csv", rule=rule)
    instance = read_instance(at)
    by_own = instance.sensitive(instance.rules)
    assert {instance.table.labels(i)[0] for i in by_own.mask.nonzero()[0].tolist()} == {"A", "B"}
    others = read_instance(cells(tmp_path / "nk", CELLS, rule=NK)).rules
    with pytest.raises(BadInput, match="needs top1\nNext"):
        instance.sensitive(others)


@pytest.mark.parametrize(
    ("file", "rows", "fault"),
    [
        ("micro.csv", [*SUMS, ("B", 0, 500, "b9")], "column n, row 16: no unit"),
        ("micro.csv", [*SUMS, ("B", "99999999999999999999", 5, "b9")], "column n, row 16: above 2"),
        ("micro.csv", [*SUMS, ("B", 2**52, 5, "b8"), ("B", 2**52, 5, "b9")], "column n: adds up to more than 2"),
        ("micro.csv", [*SUMS, ("B", 1, 2**53, "b8"), ("B", 1, 5, "b9")], "column value: adds up to more than 2"),
        ("micro.csv", [], "nothing to protect"),
        ("micro.csv", [("B", 0, 0, "b9")], "nothing to protect"),
        ("micro.csv", [*SUMS, ("B", 1, 5, "  ")], "row 16: the contributor is missing"),
        ("cells.csv", [], "nothing to protect"),
        ("cells.csv", [*CELLS[:2], ("B", 0, 400, 6, 180, 100, 90), CELLS[3]], "column freq, row 3: no unit"),
        ("cells.csv", [*CELLS[:2], ("B", 6, 400, 0, 180, 100, 90), CELLS[3]], "column ncontr, row 3: no contributor"),
        ("cells.csv", [*CELLS[:2], ("B", 6, 400, 0.5, 180, 100, 90), CELLS[3]], "column ncontr, row 3: not a whole"),
        ("cells.csv", [*CELLS[:2], ("B", 6, 400, 6, 0, 0, 0), CELLS[3]], "column top1, row 3"),
        ("cells.csv", [*CELLS[:2], ("B", 6, 400, 6, 90, 100, 180), CELLS[3]], "column top1, row 3"),
        ("cells.csv", [*CELLS[:2], ("B", 6, 400, 6, 300, 100, 90), CELLS[3]], "column top1, row 3"),
        ("cells.csv", [*CELLS[:2], ("B", 6, 400, 3, 180, 100, 90), CELLS[3]], "column top1, row 3"),
        ("cells.csv", CELLS[1:], "1 total(s) are missing"),
    ],
)
def test_what_cannot_be_is_a_fault(tmp_path: Path, file: str, rows: list[tuple[object, ...]], fault: str) -> None:
    write = folder if file == "micro.csv" else cells
    with pytest.raises(BadInput) as refusal:
        protect(write(tmp_path / "in", rows), tmp_path / "out")
    assert fault in str(refusal.value) and "500" not in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_blanks_around_an_id_make_no_other_contributor(tmp_path: Path) -> None:
    two = [("A", 1, 90, "F2"), ("A", 1, 80, "F3 "), ("A", 1, 8, " F2"), *SUMS[3:]]
    assert found(folder(tmp_path / "in", two)) == {"A": "p"}
    assert found(folder(tmp_path / "three", [*two[:2], ("A", 1, 80, "F4"), *SUMS[3:]])) == {}


def test_records_that_stand_twice_are_told(tmp_path: Path) -> None:
    assert protect(folder(tmp_path / "once", SUMS), tmp_path / "out").notes == ()
    (note,) = protect(folder(tmp_path / "twice", [*SUMS, SUMS[4], SUMS[5]]), tmp_path / "out").notes
    assert note.startswith("2 record(s)")
    rows = [("A", 1), ("A", 1), ("B", 50), ("B", 50), ("C", 60)]
    counted = folder(tmp_path / "n", rows, columns="place,n", kind="frequency", contributor=None, rule=FREQ)
    assert any(note.startswith("1 record(s)") for note in read_instance(counted).notes)


ALONE = [  # A and its only part A1 are one firm's, B1 another's
    ("T", 10, 320, 10, 100, 40, 30),
    ("A", 1, 100, 1, 100, 0, 0),
    ("A1", 1, 100, 1, 100, 0, 0),
    ("B", 4, 120, 4, 40, 40, 20),
    ("C", 5, 100, 5, 30, 20, 20),
]
NESTED = [{"name": "place", "root": "T", "hierarchy": {"T": ["A", "B", "C"], "A": ["A1", "A2"]}}]


@pytest.mark.parametrize("without", [(), ("ncontr",)])
def test_a_total_and_its_only_part_have_one_contributor(tmp_path: Path, without: tuple[str, ...]) -> None:
    at = cells(tmp_path / "in", ALONE, without=without, dims=NESTED)
    report = protect(at, tmp_path / "out")
    assert (report.primary, report.secondary, report.audit.singleton_exact) == (2, 1, 0)
    assert report.notes == ((ONE_CELL_EACH, NOT_COUNTED) if without else (ONE_CELL_EACH,))
    table = read_instance(at).table
    sole = {table.labels(i)[0]: int(table.sole_contributor[i]) for i in range(len(table))}
    assert sole["A"] == sole["A1"] >= 0 and sole["T"] == sole["B"] == sole["C"] == -1
    assert protect(at, tmp_path / "out", singletons=False).notes == ()


def test_two_contributors_show_in_the_largest_where_they_are_not_counted(tmp_path: Path) -> None:
    two = [*CELLS[:1], ("A", 3, 915, 2, 900, 15, 0), ("B", 6, 400, 6, 180, 100, 90), CELLS[3]]
    for name, without in (("told", ()), ("not", ("ncontr",))):
        table = read_instance(cells(tmp_path / name, two, without=without)).table
        assert [table.labels(i)[0] for i in (table.couples[:, 0] >= 0).nonzero()[0].tolist()] == ["A"]


def test_of_sums_without_contributors_a_cell_of_one_unit_has_one(tmp_path: Path) -> None:
    rows = [("A", 1, 7, ""), ("B", 1, 8, ""), ("C", 2, 9, ""), ("C", 3, 9, "")]
    instance = read_instance(folder(tmp_path / "in", rows, contributor=None, rule={"type": "freq", "n": 2}))
    alone = instance.table.sole_contributor >= 0
    assert {instance.table.labels(i)[0] for i in alone.nonzero()[0].tolist()} == {"A", "B"}
    assert instance.about_contributors == (NOT_NAMED,)


def test_what_an_earlier_run_wrote_is_gone_when_the_next_one_fails(tmp_path: Path) -> None:
    good, out = folder(tmp_path / "good", SUMS), tmp_path / "out"
    protect(good, out, html=True, compare=True)
    (out / "mine.txt").write_text("kept")
    first = {path.name for path in out.iterdir()}
    protect(good, out)
    assert first - {path.name for path in out.iterdir()} == {"protection.html", "protection.nl.html", "comparison.json"}
    with pytest.raises(BadInput):
        protect(folder(tmp_path / "bad", []), out)
    assert {path.name for path in out.iterdir()} == {"mine.txt"}


def test_an_output_folder_that_cannot_be_made_is_a_failure_of_storage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (Path("/proc/nowhere"), tmp_path / "file" / "out"):
        with pytest.raises(StorageFailed):
            protect(folder(tmp_path / "in", SUMS), out)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dims": [*NESTED, *NESTED]}, "two dims have one name"),
        ({"dims": [NESTED[0] | {"name": "value"}]}, "name of a column that is written"),
        ({"dims": [{"name": "place", "root": "A", "hierarchy": {"A": []}}]}, "no dim has a code below its root"),
        ({"dims": [NESTED[0] | {"root": "\ud800"}]}, "half a character"),
        ({"keep": [{"place": "Z"}]}, "\n  - desc.json: keep names a dimension or a code"),
        ({"rule": {"type": "any", "rules": [{"type": "any", "rules": [P]}]}}, "must be freq, p, nk or pq"),
        ({"cost": "weights"}, "weights.csv: the file is missing"),
    ],
)
def test_faults_of_the_description_are_said_in_its_words(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput) as refusal:
        protect(folder(tmp_path / "in", SUMS, **changes), tmp_path / "out")
    assert said in str(refusal.value) and "Value error" not in str(refusal.value)


def test_columns_parted_by_semicolons_are_named(tmp_path: Path) -> None:
    at = folder(tmp_path / "in", SUMS)
    (at / "micro.csv").write_text((at / "micro.csv").read_text().replace(",", ";"))
    with pytest.raises(BadInput, match="parted by semicolons"):
        protect(at, tmp_path / "out")


def test_codes_that_a_spreadsheet_runs_are_told(tmp_path: Path) -> None:
    dims = [{"name": "place", "root": "T", "hierarchy": {"T": ["=1+1", "B", "C"]}}]
    rows = [("=1+1", *SUMS[0][1:]), *SUMS[3:]]
    report = protect(folder(tmp_path / "in", rows, dims=dims), tmp_path / "out")
    assert report.notes == ("table.csv holds codes that a spreadsheet may take for a formula: place",)
    with (tmp_path / "out" / "table.csv").open() as file:
        assert [row["place"] for row in csv.DictReader(file)] == ["T", "=1+1", "B", "C"]
