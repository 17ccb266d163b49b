"""`zicht protect` on folders: what it writes, what it refuses, and that messages hold no value."""

from __future__ import annotations

import csv
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from enclave.errors import BadInput, CannotProtect, EnclaveError
from output_control.alone.protect import parse_count_protection, protect

CANARY = "987654"
HEADER = "region,sex,n,value,id\n"
ROWS = [
    ("A", "f", 1, 100.5, "c1"),
    ("A", "f", 1, 50.25, "c2"),
    ("A", "m", 1, 30, "c3"),
    ("A", "m", 1, 31, "c4"),
    ("A", "m", 1, 32, "c5"),
    ("B", "f", 1, 40, "c6"),
    ("B", "f", 1, 41, "c7"),
    ("B", "f", 1, 42, "c8"),
    ("B", "m", 1, 60, "c3"),
    ("B", "m", 1, 61, "c9"),
    ("B", "m", 1, 62, "c10"),
]
DESCRIPTION = {
    "name": "small",
    "kind": "magnitude",
    "dims": [
        {"name": "region", "root": "T", "hierarchy": {"T": ["A", "B"]}},
        {"name": "sex", "root": "S", "hierarchy": {"S": ["f", "m"]}},
    ],
    "measure": "value",
    "freq": "n",
    "contributor": "id",
    "rule": {"type": "any", "rules": [{"type": "p", "p": 10}, {"type": "freq", "n": 3}]},
}


def write(folder: Path, rows: list[tuple[object, ...]] = ROWS, **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "desc.json").write_text(json.dumps(DESCRIPTION | changes), encoding="utf-8")
    text = HEADER + "".join(",".join(str(part) for part in row) + "\n" for row in rows)
    (folder / "micro.csv").write_text(text, encoding="utf-8")
    return folder


def outputs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "report.json"}


def test_the_files_hold_pattern_public_table_and_report(tmp_path: Path) -> None:
    report = protect(write(tmp_path / "in"), tmp_path / "out", html=True)
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert set(written) == {
        "cells", "primary", "secondary", "suppressed_value", "cost", "method", "optimal", "gap", "seconds", "audit",
    }  # fmt: skip
    assert set(written["seconds"]) == {"tabulate", "primary", "secondary", "audit"}
    counts = {"primaries": 1, "checked": 1, "exact": 0, "below_level": 0, "singleton_exact": 0}
    assert (written["cells"], written["primary"], written["audit"]) == (9, 1, counts)
    assert written["secondary"] == report.secondary == 3
    with (tmp_path / "out" / "pattern.csv").open() as file:
        pattern = list(csv.DictReader(file))
    assert [row["status"] for row in pattern].count("primary") == 1
    assert {"region": "A", "sex": "f", "status": "primary", "reason": "p+freq", "value": "150.75"} in pattern
    with (tmp_path / "out" / "table.csv").open() as file:
        table = list(csv.DictReader(file))
    assert len(table) == 3 * 3
    for row in table:
        hidden = any((row["region"], row["sex"]) == (p["region"], p["sex"]) for p in pattern)
        assert (row["OBS_STATUS"], row["CONF_STATUS"]) == (("Q", "C") if hidden else ("A", "F"))
        assert (row["value"] == "") == hidden
    for path in (tmp_path / "out").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    page = (tmp_path / "out" / "protection.html").read_text()
    assert "Attacker&#x27;s interval" in page
    assert "http://" not in page and "https://" not in page


# the best safe peer in results.csv: secondaries and value, without and with the singleton demand
PEERS = {
    "b01": ((3, 40), (3, 40)),
    "b02": ((2, 330), (2, 330)),
    "b03": ((5, 25), (5, 25)),
    "b04": ((10, 115), (10, 115)),
    "b05": ((118, 711), (118, 711)),
    "b06": ((983, 5404), (983, 5404)),
    "b07": ((6, 1281.1), (9, 1427)),
    "b08": ((11, 284576.37), (11, 284576.37)),
    "b09": ((149, 1915703.88), (215, 2760918.92)),
    "b10": ((56, 711), (56, 711)),
    "b11": ((10, 2866540511.1), (10, 2866540511.1)),
    "b12": ((19, 575), (19, 575)),
    "b13": ((21, 47080021962), (21, 47080021962)),
    "b14": ((2, 973160000), (2, 973160000)),
}
LARGE = {"b06", "b09", "b10"}


def beside_the_peers(shared: Path, out: Path, name: str, *, singletons: bool) -> None:
    """Safe, proven optimal, and neither more cells nor more value than the best safe peer."""
    secondary, value = PEERS[name][singletons]
    report = protect(next((shared / "reference").glob(name + "*")), out, singletons=singletons)
    audit = report.audit
    assert report.optimal and audit.checked == audit.primaries == report.primary
    assert (audit.exact, audit.below_level, audit.singleton_exact) == (0, 0, 0)
    assert report.secondary <= secondary and report.cost <= value * (1 + 1e-9)


@pytest.mark.parametrize("singletons", [False, True])
@pytest.mark.parametrize("name", sorted(PEERS.keys() - LARGE))
def test_every_reference_folder_is_safe_and_loses_no_more_than_the_best_safe_peer(
    shared: Path, tmp_path: Path, name: str, singletons: bool
) -> None:
    beside_the_peers(shared, tmp_path / "out", name, singletons=singletons)


@pytest.mark.parametrize("name", ["b06", "b09", pytest.param("b10", marks=pytest.mark.sweep)])
def test_larger_reference_tables_lose_no_more_than_the_best_safe_peer(shared: Path, tmp_path: Path, name: str) -> None:
    beside_the_peers(shared, tmp_path / "out", name, singletons=False)


@pytest.mark.sweep
def test_the_largest_reference_table_of_sums_with_the_singleton_demand(shared: Path, tmp_path: Path) -> None:
    beside_the_peers(shared, tmp_path / "out", "b09", singletons=True)


def test_permuted_rows_and_two_threads_give_the_same_bytes(tmp_path: Path) -> None:
    rows = ROWS.copy()
    random.Random(4).shuffle(rows)
    protect(write(tmp_path / "a"), tmp_path / "out-a", html=True)
    protect(write(tmp_path / "b", rows), tmp_path / "out-b", threads=2, html=True)
    assert outputs(tmp_path / "out-a") == outputs(tmp_path / "out-b")


def test_renamed_codes_and_contributors_give_the_same_pattern_renamed(tmp_path: Path) -> None:
    names = {"A": "zz", "B": "aa", "f": "1", "m": "0"}
    renamed = [(names[str(r)], names[str(s)], n, v, f"x{9 - i}") for i, (r, s, n, v, _) in enumerate(ROWS)]
    dims = [
        {"name": "region", "root": "T", "hierarchy": {"T": ["zz", "aa"]}},
        {"name": "sex", "root": "S", "hierarchy": {"S": ["1", "0"]}},
    ]
    protect(write(tmp_path / "a"), tmp_path / "out-a", singletons=False)
    protect(write(tmp_path / "b", renamed, dims=dims), tmp_path / "out-b", singletons=False)
    text = (tmp_path / "out-a" / "table.csv").read_text()
    cells = [line.split(",") for line in text.splitlines()[1:]]
    swapped = [",".join([*(names.get(part, part) for part in cell[:2]), *cell[2:]]) for cell in cells]
    assert swapped == (tmp_path / "out-b" / "table.csv").read_text().splitlines()[1:]


def bad_code(rows: list[list[object]]) -> None:
    rows[2][0] = CANARY


def total_as_leaf(rows: list[list[object]]) -> None:
    rows[2][0] = "T"


def negative_freq(rows: list[list[object]]) -> None:
    rows[2][2] = f"-{CANARY}"


def half_freq(rows: list[list[object]]) -> None:
    rows[2][2] = f"{CANARY}.5"


def text_value(rows: list[list[object]]) -> None:
    rows[2][3] = f"x{CANARY}"


def infinite_value(rows: list[list[object]]) -> None:
    rows[2][3] = f"{CANARY}e999"


def no_contributor(rows: list[list[object]]) -> None:
    rows[2][4] = ""


@pytest.mark.parametrize(
    ("spoil", "column"),
    [
        (bad_code, "region"),
        (total_as_leaf, "region"),
        (negative_freq, "n"),
        (half_freq, "n"),
        (text_value, "value"),
        (infinite_value, "value"),
        (no_contributor, "id"),
    ],
)
def test_a_bad_record_is_named_by_column_and_row_and_never_by_value(
    tmp_path: Path, spoil: Callable[[list[list[object]]], None], column: str
) -> None:
    rows = [list(row) for row in ROWS]
    spoil(rows)
    with pytest.raises(BadInput) as refusal:
        protect(write(tmp_path / "in", [tuple(row) for row in rows]), tmp_path / "out")
    message = str(refusal.value)
    assert f"micro.csv, column {column}, row 3" in message and CANARY not in message
    assert refusal.value.exit_code == 2 and not (tmp_path / "out").exists()


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    rows = [list(row) for row in ROWS]
    bad_code(rows)
    negative_freq(rows)
    rows[5][2] = "-1"
    with pytest.raises(BadInput) as refusal:
        protect(write(tmp_path / "in", [tuple(row) for row in rows]), tmp_path / "out")
    assert len(refusal.value.faults) == 2 and "row 3, 6" in str(refusal.value)


def test_missing_files_columns_and_broken_descriptions_are_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"desc\.json"):
        protect(tmp_path / "nothing", tmp_path / "out")
    folder = write(tmp_path / "column", measure="turnover")
    with pytest.raises(BadInput, match="column turnover"):
        protect(folder, tmp_path / "out")
    (folder / "micro.csv").unlink()
    with pytest.raises(BadInput, match=r"neither micro\.csv nor cells\.csv"):
        protect(folder, tmp_path / "out")
    (folder / "micro.csv").write_bytes(b"\xff\xfe\x00broken")
    with pytest.raises(BadInput, match="not readable"):
        protect(folder, tmp_path / "out")
    (folder / "micro.csv").write_bytes(b"region,\xff,turnover\n")
    with pytest.raises(BadInput, match="not readable"):
        protect(folder, tmp_path / "out")
    (folder / "micro.csv").write_bytes(b"region,turnover,turnover\n")
    with pytest.raises(BadInput, match="column 3 has the name of an earlier one"):
        protect(folder, tmp_path / "out")
    (folder / "desc.json").write_text("{")
    with pytest.raises(BadInput, match="not readable JSON"):
        protect(folder, tmp_path / "out")
    for rule in (
        {"type": "p", "p": 0},
        {"type": "nk", "n": [1], "k": [50, 60]},
        {"type": "pq", "p": 50, "q": 10},
        {},
    ):
        with pytest.raises(BadInput, match="rule"):
            protect(write(tmp_path / "rule", rule=rule), tmp_path / "out")
    twice = [
        {"name": "region", "root": "T", "hierarchy": {"T": ["A", "B"], "B": ["A"]}},
        DESCRIPTION["dims"][1],
    ]
    with pytest.raises(BadInput, match="not a tree"):
        protect(write(tmp_path / "tree", dims=twice), tmp_path / "out")


@pytest.mark.parametrize("parameters", [{"method": "guess"}, {"budget": 0}, {"count_protection": "width:0"}])
def test_unknown_parameters_are_bad_input(tmp_path: Path, parameters: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        protect(write(tmp_path / "in"), tmp_path / "out", **parameters)  # type: ignore[arg-type]  # wrong on purpose


def test_count_protections_are_read() -> None:
    assert [type(parse_count_protection(t)).__name__ for t in ("exact", "width:3", "range")] == [
        "Exact", "Width", "Range",
    ]  # fmt: skip


def copy_reference(shared: Path, name: str, to: Path) -> Path:
    return Path(shutil.copytree(next((shared / "reference").glob(name + "*")), to))


@pytest.mark.parametrize(("column", "new"), [("value", "424242"), ("primary", "1"), ("freq", "7"), ("ncontr", "9")])
def test_a_tampered_cells_file_stops(shared: Path, tmp_path: Path, column: str, new: str) -> None:
    folder = copy_reference(shared, "b02", tmp_path / "in")
    with (folder / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    spoiled = next(row for row in rows if row["primary"] == "0")
    spoiled[column] = new
    with (folder / "cells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(BadInput, match="disagree") as refusal:
        protect(folder, tmp_path / "out")
    assert "424242" not in str(refusal.value)


def test_a_missing_cell_in_the_cells_file_stops(shared: Path, tmp_path: Path) -> None:
    folder = copy_reference(shared, "b01", tmp_path / "in")
    lines = (folder / "cells.csv").read_text().splitlines(keepends=True)
    (folder / "cells.csv").write_text("".join(lines[:-1]))
    with pytest.raises(BadInput, match="1 non-empty cell"):
        protect(folder, tmp_path / "out")
    (folder / "micro.csv").unlink()
    with pytest.raises(BadInput, match="not the sum of their parts"):
        protect(folder, tmp_path / "out")


@pytest.mark.parametrize("singletons", [False, True])
@pytest.mark.parametrize("name", ["b01", "b02", "b07", "b08", "b11", "b13", "b14"])
def test_cells_alone_give_the_same_pattern_as_the_microdata(
    shared: Path, tmp_path: Path, name: str, singletons: bool
) -> None:
    folder = copy_reference(shared, name, tmp_path / "in")
    protect(folder, tmp_path / "with", singletons=singletons)
    (folder / "micro.csv").unlink()
    protect(folder, tmp_path / "without", singletons=singletons)
    # values may differ in the last bit of a float sum
    first, second = (
        [row.rpartition(",")[0] for row in (tmp_path / way / "pattern.csv").read_text().splitlines()]
        for way in ("with", "without")
    )
    assert first == second


def test_cells_without_contributions_are_protected_by_their_own_flags_or_refused(shared: Path, tmp_path: Path) -> None:
    folder = copy_reference(shared, "b02", tmp_path / "in")
    (folder / "micro.csv").unlink()
    with (folder / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    for kept in (
        ["region", "gender", "freq", "value", "primary", "upl"],
        ["region", "gender", "freq", "value"],
    ):
        with (folder / "cells.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, kept, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        if "upl" in kept:
            assert protect(folder, tmp_path / "out").primary == 2
        else:
            with pytest.raises(BadInput, match="top1"):
                protect(folder, tmp_path / "out")


def test_a_table_that_cannot_be_protected_writes_nothing(tmp_path: Path) -> None:
    line = write(tmp_path / "in", dims=DESCRIPTION["dims"][:1], rule={"type": "freq", "n": 6})
    with pytest.raises(CannotProtect) as refusal:
        protect(line, tmp_path / "out", budget=1)
    assert refusal.value.exit_code == 3 and not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(EnclaveError, match="folder"):
        protect(write(tmp_path / "in"), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "a file"
