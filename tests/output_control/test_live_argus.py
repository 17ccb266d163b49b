"""τ-ARGUS as a live peer: what it is given, what is read back, and what is said of it beside what is stored.

With the environment variable ARGUS_PYTHON, an interpreter with `benchmarks/peers/tau_argus.txt`, it really runs.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from benchmarks import live_argus, reference
from benchmarks.live_argus import METHODS, Live, live, read_pattern, version, write_batch
from output_control.alone.instance import read_instance

OPTIMAL, ZERO = METHODS[0], METHODS[-1]
STORED = {"secondary": "3", "secondary_value": "40.0", "cpu_s": "0.1", "safe": "True", "outcome": "ok"}
NONE = STORED | {"secondary": "", "secondary_value": "", "cpu_s": "9.0", "safe": "", "outcome": "timeout"}
COLUMNS = ("instance", "peer", "secondary", "secondary_value", "safe", "singleton_exact", "cpu_s", "outcome")


def folder_of(place: Path, *, magnitude: bool = False) -> Path:
    """Rows a (of a1 and a2) and b by columns x and y; 1 in a1 × x is sensitive, a2 × x is empty.

    So a × x is 1, and primary, too. Of magnitudes every value is ten times the count, each unit in one cell.
    """
    folder = place / "t1"
    folder.mkdir(parents=True)
    dims = [
        {"name": "row", "root": "all; of them", "hierarchy": {"all; of them": ["a", "b"], "a": ["a1", "a2"]}},
        {"name": "col", "root": "C", "hierarchy": {"C": ["x", "y"]}},
    ]
    rule = {"type": "p", "p": 10} if magnitude else {"type": "freq", "n": 3}
    kind = {
        "kind": "magnitude" if magnitude else "frequency",
        "measure": "v",
        "contributor": "id" if magnitude else None,
    }
    (folder / "desc.json").write_text(json.dumps({"name": "t1", "dims": dims, "freq": "n", "rule": rule, **kind}))
    cells = (("a1", "x", 1), ("a1", "y", 4), ("a2", "y", 6), ("b", "x", 12), ("b", "y", 18))
    rows = [
        f"{row},{col},1,10,{row}{col}{unit}" if magnitude else f"{row},{col},1"
        for row, col, number in cells
        for unit in range(number)
    ]
    head = "row,col,n,v,id" if magnitude else "row,col,n"
    (folder / "micro.csv").write_text("\n".join([head, *rows]) + "\n")
    return folder


def test_it_is_given_codes_of_equal_width_with_counts_primaries_and_levels(tmp_path: Path) -> None:
    instance = read_instance(folder_of(tmp_path))
    write_batch(tmp_path, instance.table, instance.sensitive(instance.rules), OPTIMAL)
    # codes depth first: 1 is a, 2 a1, 3 a2, 4 b; a tenth of a count of 1, in whole numbers, is 1
    assert sorted((tmp_path / "table.tab").read_text().splitlines()) == [
        "1;1;1;1;U;1;1",
        "1;2;10;10;S;0;0",
        "1;T;11;11;S;0;0",
        "2;1;1;1;U;1;1",
        "2;2;4;4;S;0;0",
        "2;T;5;5;S;0;0",
        "3;2;6;6;S;0;0",
        "3;T;6;6;S;0;0",
        "4;1;12;12;S;0;0",
        "4;2;18;18;S;0;0",
        "4;T;30;30;S;0;0",
        "T;1;13;13;S;0;0",
        "T;2;28;28;S;0;0",
        "T;T;41;41;S;0;0",
    ]
    assert (tmp_path / "d0.hrc").read_text().split() == ["1", "@2", "@3", "4"] and not (tmp_path / "d1.hrc").exists()
    assert "<DECIMALS> 0" in (tmp_path / "table.rda").read_text()
    assert '<SPECIFYTABLE> "d0""d1"|"value"||\n' in (tmp_path / "run.arb").read_text()


def test_asked_as_we_are_a_level_need_not_be_whole(tmp_path: Path) -> None:
    instance = read_instance(folder_of(tmp_path))
    write_batch(tmp_path, instance.table, instance.sensitive(instance.rules), ZERO)
    assert "2;1;1;1;U;0.1;0.1" in (tmp_path / "table.tab").read_text().splitlines()


def test_of_magnitudes_it_is_given_the_levels_of_the_rule(tmp_path: Path) -> None:
    instance = read_instance(folder_of(tmp_path, magnitude=True))
    write_batch(tmp_path, instance.table, instance.sensitive(instance.rules), OPTIMAL)
    # p %: 10 % of the largest, 10, less what others hold beside the two largest: nothing
    assert "2;1;10;1;U;1;1" in (tmp_path / "table.tab").read_text().splitlines()


def test_what_it_hides_is_read_cell_by_cell(tmp_path: Path) -> None:
    table = read_instance(folder_of(tmp_path)).table
    hidden = {"2": {"1": "U", "2": "M"}, "1": {"1": "U"}, "3": {"1": "E"}, "4": {"1": "M"}}
    lines = [
        f'"{row}";"{col}";9.0;9;9.0;{hidden.get(row, {}).get(col, "S")};0.0;0.0' for row in "T4321" for col in "21T"
    ]
    (tmp_path / "pattern.tab").write_text("\n".join(lines) + "\n")
    mask, primary = read_pattern(tmp_path / "pattern.tab", table)
    labels = [table.labels(cell) for cell in range(len(table))]
    assert {labels[cell] for cell in mask.nonzero()[0]} == {("a1", "x"), ("a1", "y"), ("a", "x"), ("b", "x")}
    assert {labels[cell] for cell in primary.nonzero()[0]} == {("a1", "x"), ("a", "x")}


@pytest.mark.parametrize(
    ("row", "change", "said", "agree"),
    [
        (STORED, {}, "agrees", True),
        (STORED, {"secondary": 4}, "DIFFERS", False),
        (STORED, {"value": 41.0}, "DIFFERS", False),
        (STORED, {"failed": 1, "exact": 1}, "unsafe: 1 exact", False),
        (STORED, {"fault": "no answer in 60 CPU s"}, "DIFFERS", False),
        (NONE, {"fault": "no answer in 60 CPU s"}, "no answer in 60 CPU s | stored timeout: agrees", True),
        (NONE, {}, "DIFFERS", False),
        (STORED, {"exposed": None}, "? exposed", True),
        (None, {}, "not stored", None),
    ],
)
def test_a_live_figure_is_said_beside_the_stored_one(
    row: dict[str, str] | None,
    change: dict[str, object],
    said: str,
    agree: bool | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures: dict[str, object] = {"method": "targ_opt", "cpu": 0.2, "secondary": 3, "value": 40.0, "exposed": 0}
    assert reference.show(Live(**figures | change), row) is agree  # type: ignore[arg-type]  # the fields of Live
    assert said in capsys.readouterr().out


def stored_beside(folder: Path) -> Path:
    (folder / "results.csv").write_text(",".join(COLUMNS) + "\nt1,targ_opt,4,44,True,0,1,ok\n")
    return folder


@pytest.mark.parametrize(
    ("change", "singletons"),
    [({}, ("off", "on")), ({"exposed": 1}, ("off",)), ({"failed": 1}, ()), ({"fault": "-"}, ())],
)
def test_we_must_not_hide_more_than_what_a_peer_gives_in_this_run(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
    singletons: tuple[str, ...],
) -> None:
    folder_of(tmp_path)
    figures: dict[str, object] = {"method": "m", "cpu": 0.2, "secondary": 0, "value": 0.0, "exposed": 0}
    monkeypatch.setattr(reference, "version", lambda _: "0")
    better = Live(**figures | change)  # type: ignore[arg-type]  # the fields of Live
    monkeypatch.setattr(reference, "live", lambda *_: better)
    stored = stored_beside(tmp_path)
    with pytest.raises(SystemExit) as left:
        reference.main([str(stored), "--argus", "python"])
    ours = [line for line in capsys.readouterr().out.splitlines() if line.startswith("t1")]
    assert tuple(line.split()[1] for line in ours if "ABOVE THE PEER" in line) == singletons
    assert left.value.code == int(bool(singletons))


def test_an_interpreter_without_it_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder_of(tmp_path)
    with pytest.raises(SystemExit) as left:
        reference.main([str(stored_beside(tmp_path)), "--argus", sys.executable])
    assert left.value.code == 2 and "tau_argus.txt" in capsys.readouterr().err


def test_an_interpreter_that_is_not_there_has_none() -> None:
    assert version("/nowhere/python") is None


def test_what_it_ends_by_is_said(tmp_path: Path) -> None:
    found = live(sys.executable, folder_of(tmp_path), OPTIMAL, 60)
    assert found.fault is not None and "pytauargus" in found.fault and not found.safe(singletons=False)


@pytest.fixture
def argus() -> str:
    python = os.environ.get("ARGUS_PYTHON")
    if python is None:
        pytest.skip("ARGUS_PYTHON names no interpreter with benchmarks/peers/tau_argus.txt")
    assert version(python) == "0.6.0"
    return python


@pytest.mark.parametrize("magnitude", [False, True])
def test_it_runs_and_its_pattern_is_audited(argus: str, tmp_path: Path, *, magnitude: bool) -> None:
    folder = folder_of(tmp_path, magnitude=magnitude)
    found = {method.name: live(argus, folder, method, 60) for method in METHODS}
    for name in ("targ_opt", "targ_mod", "targ_opt_zero"):
        assert found[name].safe(singletons=False), found[name].fault
        # a1 × y, a × y, b × x and b × y; with a total instead of one of them it is more
        assert (found[name].secondary, found[name].value) == (4, (4 + 10 + 12 + 18) * (10 if magnitude else 1))
    assert "not supported" in str(found["targ_gh"].fault)


def test_one_that_takes_too_long_is_ended(argus: str, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_argus, "WAITING", 60)
    found = live(argus, next((shared / "reference").glob("b10*")), METHODS[1], 1)
    assert found.fault == "no answer in 1 CPU s" and found.cpu < 5
