"""The main job (in the sweep of the size of ``make run``): what leaves is right, hidden where it must be, verified."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_array

from tests.pipeline.job import Job, content_of

pytestmark = pytest.mark.xdist_group("main-job")
DIMENSIONS = ("buurt", "dwelling_type", "woz_class", "doorsluis")


def released_table(job: Job) -> list[dict[str, str]]:
    (file,) = job.bundles()["doorsluishuizen"].glob("outputs/*/*.csv")
    with file.open(newline="") as handle:
        return list(csv.DictReader(handle))


def region_parents(job: Job) -> dict[str, str]:
    with (job.country / "classifications/region_2016.csv").open(newline="") as handle:
        return {row["code"]: row["parent"] for row in csv.DictReader(handle)}


def codes_above(code: str, parents: dict[str, str]) -> Iterator[str]:
    while code:
        yield code
        code = parents[code]


def test_the_summary_is_short_and_says_what_happened(main_job: Job) -> None:
    lines = main_job.done.out.strip().splitlines()
    assert len(lines) < 25
    for word in ("received", "quarantined", "linked", "tabulated", "suppressed", "released", "verified", "look at"):
        assert word in main_job.done.out


def test_both_analyses_are_released_and_anyone_can_verify_them(main_job: Job) -> None:
    assert set(main_job.bundles()) == {"doorsluishuizen", "hemp_risk"}
    for bundle in main_job.bundles().values():
        from tests.pipeline.job import zicht

        done = zicht("verify", bundle, "--key", main_job.workspace / "keys/release.pub")
        assert done.code == 0, done.said
        assert "holds" in done.out


def test_values_that_are_shown_equal_the_planted_truth(main_job: Job, request: pytest.FixtureRequest) -> None:
    truth = pd.read_parquet(main_job.country / "truth/v3_dwellings.parquet")
    parents = region_parents(main_job)
    expected: Counter[tuple[str, ...]] = Counter()
    for row in truth.itertuples():
        flag = "yes" if row.flagged else "no"
        above = codes_above("BU" + row.buurt if not row.buurt.startswith("BU") else row.buurt, parents)
        expected.update(product(above, ("all", row.type), ("all", row.woz_class), ("all", flag)))
    table = released_table(main_job)
    shown = [row for row in table if row["value"]]
    assert len(shown) > {25_000: 350, 50_000: 500}[request.node.callspec.params["main_job"]]
    assert {tuple(row[d] for d in DIMENSIONS): int(row["value"]) for row in shown} == {
        key: expected[key] for key in (tuple(row[d] for d in DIMENSIONS) for row in shown)
    }
    assert next(row for row in shown if all(row[d] in ("NL", "all") for d in DIMENSIONS))["value"] == str(len(truth))


def test_at_least_a_hundred_cells_are_hidden_under_one_status(main_job: Job) -> None:
    hidden = [row for row in released_table(main_job) if not row["value"]]
    assert len(hidden) >= 100
    assert {(row["OBS_STATUS"], row["CONF_STATUS"]) for row in hidden} == {
        (hidden[0]["OBS_STATUS"], hidden[0]["CONF_STATUS"])
    }


def test_no_attacker_narrows_a_sensitive_cell_below_the_policy(main_job: Job) -> None:
    """Linear programmes over the released file alone; the checkers' annex only says which cells are sensitive."""
    table = released_table(main_job)
    cells = [tuple(row[d] for d in DIMENSIONS) for row in table]
    hidden = {cell: at for at, cell in enumerate(c for c, row in zip(cells, table, strict=True) if not row["value"])}
    known = {cell: float(row["value"]) for cell, row in zip(cells, table, strict=True) if row["value"]}
    equations, totals = equations_of(cells, hidden, known, region_parents(main_job))
    (annex,) = main_job.workspace.glob("review/doorsluishuizen-*/annex/*/*.cells.csv")
    with annex.open(newline="") as handle:
        marked = [row for row in csv.DictReader(handle) if row["status"] == "primary"]
    assert len(marked) >= 100
    policy = json.loads((main_job.bundles()["doorsluishuizen"] / "policy.json").read_text())
    width = policy["policy"]["tables"]["count_protection"]["value"]["width"]
    for row in marked:
        at = hidden[tuple(row[d] for d in DIMENSIONS)]
        low, high = (bound(sign, at, equations, totals) for sign in (1, -1))
        assert high - low >= width - 1e-6, "a sensitive cell is known too closely"


def equations_of(
    cells: list[tuple[str, ...]],
    hidden: dict[tuple[str, ...], int],
    known: dict[tuple[str, ...], float],
    parents: dict[str, str],
) -> tuple[csr_array, np.ndarray]:
    """Parent minus children is zero, along every dimension, with what is known moved to the right."""
    present = set(cells)
    children: list[dict[str, list[str]]] = []
    for axis in range(len(DIMENSIONS)):
        codes = dict.fromkeys(cell[axis] for cell in cells)
        below: dict[str, list[str]] = {}
        for code in codes:
            parent = parents.get(code, "") if axis == 0 else ("all" if code != "all" else "")
            if parent:
                below.setdefault(parent, []).append(code)
        children.append(below)
    rows, columns, values, totals = [], [], [], []
    for cell, axis in product(cells, range(len(DIMENSIONS))):
        parts = [(*cell[:axis], code, *cell[axis + 1 :]) for code in children[axis].get(cell[axis], ())]
        if not parts:
            continue
        assert set(parts) <= present
        signed = [(cell, 1.0), *((part, -1.0) for part in parts)]
        if not any(part in hidden for part, _ in signed):
            assert sum(sign * known[part] for part, sign in signed) == 0
            continue
        for part, sign in signed:
            if part in hidden:
                rows.append(len(totals))
                columns.append(hidden[part])
                values.append(sign)
        totals.append(-sum(sign * known[part] for part, sign in signed if part not in hidden))
    return csr_array((values, (rows, columns)), shape=(len(totals), len(hidden))), np.array(totals)


def bound(sign: int, at: int, equations: csr_array, totals: np.ndarray) -> float:
    objective = np.zeros(equations.shape[1])
    objective[at] = sign
    found = linprog(objective, A_eq=equations, b_eq=totals, bounds=(0, None), method="highs")
    assert found.status in (0, 3), found.message
    return float(np.inf if found.status == 3 else sign * found.fun)


def test_evidence_tells_nothing_of_a_hidden_cell(main_job: Job) -> None:
    for bundle in main_job.bundles().values():
        for content in content_of(bundle, "evidence").values():
            assert b"primary" not in content
            assert b"secondary" not in content.replace(b"secondary suppression over all hierarchies", b"")
        assert not list(bundle.rglob("*annex*"))


def test_run_again_everything_is_up_to_date(main_job: Job) -> None:
    before = {name: content_of(bundle, "") for name, bundle in main_job.bundles().items()}
    steps = count_steps(main_job)
    (persons,) = re.findall(r"country of (\d+) persons", main_job.done.out)
    again = main_job.zicht("demo", "--persons", persons, "--seed", "1")
    assert again.code == 0, again.said
    assert count_steps(main_job) == steps
    assert {name: content_of(bundle, "") for name, bundle in main_job.bundles().items()} == before


def count_steps(job: Job) -> int:
    with (job.workspace / "journal/journal.jsonl").open() as handle:
        return sum(json.loads(line)["action"] == "step finished" for line in handle)


# the table is reproduced every day from the small job (test_clones)
@pytest.mark.parametrize("analysis", ["hemp_risk", pytest.param("doorsluishuizen", marks=pytest.mark.sweep)])
def test_a_release_is_reproduced_from_journal_code_and_data(main_job: Job, analysis: str) -> None:
    done = main_job.zicht("reproduce", main_job.bundles()[analysis])
    assert done.code == 0, done.said
    assert "evidence are byte-identical" in done.out
    assert "what the checkers saw beside them: " in done.out
    assert "files, byte-identical" in done.out


def test_a_journal_that_was_cut_off_is_found_by_the_bundles_anchor(main_job: Job, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(main_job.workspace, copy, symlinks=True)
    journal = copy / "journal/journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:10]))
    last = json.loads(lines[9])
    head = {"sequence": last["sequence"], "digest": last["digest"]}
    (copy / "journal/head.json").write_text(json.dumps(head))
    from tests.pipeline.job import zicht

    done = zicht("journal", "verify", "--workspace", copy)
    assert done.code == 6
    assert "ends at entry 10" in done.err
