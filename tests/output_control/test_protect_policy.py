"""`zicht protect` under a policy, and what it says of that and of empty cells."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from enclave.errors import BadInput
from output_control.alone.empty_cells import NOTE
from output_control.alone.policy_file import under_policy
from output_control.alone.protect import protect
from output_control.protection import Exact, Options, Width
from output_control.tables.rules import Dominance, MinimumFrequency, PPercent, Rule
from output_control.tables.table import CellTable
from pipeline.main import app
from tests.output_control.tables import counts, flat, magnitudes
from tests.output_control.test_protect_inputs import SUMS, folder

POLICIES = Path(__file__).resolve().parents[2] / "configs" / "policies"
FREQ = {"type": "freq", "n": 3}


def line(at: Path, *counted: int, **changes: object) -> Path:
    """A folder of one line of counts, with its total."""
    codes = [f"k{i}" for i in range(len(counted))]
    dims = [{"name": "kind", "root": "T", "hierarchy": {"T": codes}}]
    rows: list[tuple[object, ...]] = list(zip(codes, counted, strict=True))
    asked = {"kind": "frequency", "contributor": None, "rule": FREQ, "dims": dims}
    return folder(at, rows, columns="kind,n", **(asked | changes))


def table() -> CellTable:
    return counts((flat("r", "AB"),), {("A",): 3, ("B",): 20})


def whole_policy(at: Path) -> Path:
    """A policy with its confidential part and salt beside it."""
    at.mkdir()
    shutil.copy(POLICIES / "cbs_ra.yaml", at)
    shutil.copy(POLICIES / "cbs_ra.confidential.example.yaml", at / "cbs_ra.confidential.yaml")
    (at / "commitment.salt").write_bytes(bytes(32))
    for path in at.iterdir():
        path.chmod(0o600)
    return at / "cbs_ra.yaml"


def test_a_policy_sets_the_minimum_frequency_the_count_protection_and_empty_cells() -> None:
    own: tuple[Rule, ...] = (MinimumFrequency(3), PPercent(15))
    held = under_policy(POLICIES / "cbs_ra.yaml", table(), own, Options(singletons=False))
    assert held.rules == (MinimumFrequency(10), PPercent(15))
    assert held.options == Options(Width(3), singletons=True, occupied=True)
    held = under_policy(POLICIES / "eurostat.yaml", table(), own, Options())
    assert held.rules == (MinimumFrequency(5), PPercent(15)) and held.options == Options(Exact(), occupied=True)
    applied, missing = held.notes
    assert "eurostat was applied: minimum frequency, count protection, empty cells" in applied
    assert "eurostat was not: group disclosure" in missing and "dominance rules (those of desc.json hold)" in missing


def test_the_confidential_part_beside_a_policy_brings_its_dominance_rules_to_sums(tmp_path: Path) -> None:
    policy, own = whole_policy(tmp_path / "policy"), (PPercent(15),)
    sums = magnitudes((flat("r", "AB"),), [(("A",), 9.0, 0), (("B",), 8.0, 1)])
    held = under_policy(policy, sums, own, Options())
    assert held.rules == (MinimumFrequency(10), Dominance(1, 50), PPercent(10, 1)) and held.options.part_share == 1
    # as at the gate, dominance asks nothing of counts in which each unit counts once
    assert under_policy(policy, table(), own, Options()).rules == (MinimumFrequency(10),)
    assert not any("50" in note for note in held.notes)


def test_under_a_policy_sums_without_contributors_are_refused(tmp_path: Path) -> None:
    policy, rule = whole_policy(tmp_path / "policy"), {"type": "freq", "n": 2}
    protect(folder(tmp_path / "named", [*SUMS, *SUMS], rule=rule), tmp_path / "out")
    with pytest.raises(BadInput, match=r"desc\.json, contributor"):
        protect(folder(tmp_path / "in", SUMS, rule=rule, contributor=None), tmp_path / "out", policy=policy)


def test_a_policy_changes_the_pattern(tmp_path: Path) -> None:
    at = line(tmp_path / "in", 9, 40, 50, 60)
    assert protect(at, tmp_path / "own").primary == 0
    under = protect(at, tmp_path / "policy", policy=POLICIES / "cbs_ra.yaml")
    assert (under.primary, under.secondary) == (1, 1)
    # UserSupport #194: who sees that neither is empty knows that both are 1
    two = line(tmp_path / "two", 14, 14, 1, 1)
    assert protect(two, tmp_path / "own").secondary == 0
    assert protect(two, tmp_path / "policy", policy=POLICIES / "eurostat.yaml").secondary == 1


@pytest.mark.parametrize("name", ["opensafely", "cbs_income"])
def test_a_policy_that_rounds_counts_is_refused_for_counts_alone(tmp_path: Path, name: str) -> None:
    policy = POLICIES / f"{name}.yaml"
    with pytest.raises(BadInput, match="rounded") as refusal:
        protect(line(tmp_path / "in", 9, 40, 50, 60), tmp_path / "out", policy=policy)
    assert refusal.value.exit_code == 2 and not (tmp_path / "out").exists()
    rows = [("A", 1, at, f"a{at}") for at in range(10, 90)] + [("B", 1, at, f"b{at}") for at in range(10, 90)]
    assert protect(folder(tmp_path / "sums", rows), tmp_path / "out", policy=policy).primary == 0


@pytest.mark.parametrize(
    "beside", [{"count_protection": "exact"}, {"count_protection": "range"}, {"empty_shown": False}]
)
def test_what_a_policy_says_is_not_said_otherwise_beside_it(tmp_path: Path, beside: dict[str, object]) -> None:
    at = line(tmp_path / "in", 9, 40, 50, 60)
    with pytest.raises(BadInput, match="a policy says"):
        protect(at, tmp_path / "out", policy=POLICIES / "cbs_ra.yaml", **beside)  # type: ignore[arg-type]  # each by its name


def test_a_policy_that_is_missing_or_does_not_hold_is_bad_input(tmp_path: Path) -> None:
    at, policy = line(tmp_path / "in", 9, 40, 50, 60), whole_policy(tmp_path / "policy")
    (tmp_path / "empty.yaml").write_text("{}")
    (tmp_path / "broken.yaml").write_text("a: [")
    for name, said in (("missing", "not there"), ("empty", "cannot be evaluated"), ("broken", "not there or not")):
        with pytest.raises(BadInput, match=said):
            protect(at, tmp_path / "out", policy=tmp_path / f"{name}.yaml")
    (policy.parent / "commitment.salt").unlink()
    with pytest.raises(BadInput, match="not readable here"):
        protect(at, tmp_path / "out", policy=policy)


def test_two_ones_beside_a_shown_rest_are_told_or_hidden_further(tmp_path: Path) -> None:
    at = line(tmp_path / "in", 1, 1, 10, 3)  # UserSupport #194: 15 = 10 + 3 + x + x
    unknown = protect(at, tmp_path / "unknown")
    assert (unknown.secondary, unknown.notes) == (0, (NOTE,))
    shown = protect(at, tmp_path / "shown", empty_shown=True)
    assert (shown.secondary, shown.notes) == (1, ())


def test_a_count_that_stays_open_to_who_sees_empty_cells_is_no_note(tmp_path: Path) -> None:
    assert protect(line(tmp_path / "in", 1, 2, 10, 4), tmp_path / "out").notes == ()  # 1 + 2 may be 2 + 1


@pytest.mark.parametrize(("last", "notes"), [((1, 2, 5), ()), ((1, 1, 5), (NOTE,))])
def test_one_told_count_among_many_is_found(tmp_path: Path, last: tuple[int, ...], notes: tuple[str, ...]) -> None:
    groups = [*([(1, 2)] * 9), last]  # the groups' totals are shown: 1 + 2 may be 2 + 1, and 1 + 1 nothing else
    codes = [[f"c{at}{i}" for i in range(len(group))] for at, group in enumerate(groups)]
    hierarchy = {"T": [f"g{at}" for at in range(10)]} | {f"g{at}": each for at, each in enumerate(codes)}
    rows: list[tuple[object, ...]] = [
        row for each, group in zip(codes, groups, strict=True) for row in zip(each, group, strict=True)
    ]
    asked = {"kind": "frequency", "contributor": None, "rule": FREQ}
    dims = [{"name": "kind", "root": "T", "hierarchy": hierarchy}]
    report = protect(folder(tmp_path / "in", rows, columns="kind,n", dims=dims, **asked), tmp_path / "out")
    assert (report.primary, report.secondary, report.notes) == (20, 0, notes)


def test_notes_go_beside_the_figures(tmp_path: Path) -> None:
    at = line(tmp_path / "in", 1, 1, 10, 3)
    done = CliRunner().invoke(app, ["protect", str(at), "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout) == json.loads((tmp_path / "out" / "report.json").read_text())
    assert done.stderr == f"Note: {NOTE}\n"
    options = ["--policy", str(POLICIES / "eurostat.yaml")]
    done = CliRunner().invoke(app, ["protect", str(at), "--out", str(tmp_path / "out"), *options])
    assert done.exit_code == 0 and done.stderr.count("policy eurostat was") == 2 and "audited safe" in done.stdout
    done = CliRunner().invoke(app, ["protect", str(at), "--out", str(tmp_path / "out"), *options, "--empty", "unknown"])
    assert isinstance(done.exception, BadInput)
