"""The runner runs what is out of date, nothing else, and stops at a file that somebody changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from enclave.errors import Tampered
from enclave.fingerprints import Json
from enclave.journal import Journal
from pipeline import runner as runner_module
from pipeline.runner import Runner, Step

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Bench:
    """A workspace with a two-step flow that counts how often each step ran."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = root / "source.txt"
        self.source.write_text("one")
        self.ran: list[str] = []
        self.journal = Journal(root / "journal")

    def runner(self) -> Runner:
        return Runner(self.root, self.journal, actor="test", clock=lambda: NOW)

    def step(self, name: str, source: Path, parameters: Mapping[str, Json] | None = None) -> Step:
        target = self.root / f"{name}.txt"

        def action() -> Mapping[str, Path]:
            self.ran.append(name)
            target.write_text(source.read_text() + name)
            return {"out": target}

        return Step(name, {"source": source}, ("enclave/errors.py",), parameters or {}, action, lambda: {"rows": 3})

    def first(self) -> Step:
        return self.step("first", self.source)

    def second(self) -> Step:
        return self.step("second", self.root / "first.txt")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_step_runs_once_and_is_then_up_to_date(bench: Bench) -> None:
    assert bench.runner().run(bench.first()).ran
    again = bench.runner().run(bench.first())
    assert not again.ran
    assert again.record.counts == {"rows": 3}
    assert bench.ran == ["first"]


def test_a_changed_source_runs_its_step_and_what_depends_on_it(bench: Bench) -> None:
    for step in (bench.first(), bench.second()):
        bench.runner().run(step)
    bench.source.write_text("two")
    for step in (bench.first(), bench.second()):
        bench.runner().run(step)
    assert bench.ran == ["first", "second", "first", "second"]
    assert (bench.root / "second.txt").read_text() == "twofirstsecond"


def test_other_parameters_run_the_step_again(bench: Bench) -> None:
    bench.runner().run(bench.first())
    assert bench.runner().run(bench.step("first", bench.source, {"threshold": 5})).ran


def test_other_code_runs_the_step_again(bench: Bench) -> None:
    bench.runner().run(bench.first())
    assert bench.runner().run(replace(bench.first(), code=("enclave/files.py",))).ran


def test_another_environment_runs_the_step_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.runner().run(bench.first())
    monkeypatch.setattr(runner_module, "locked_distributions", lambda: ("pyarrow",))
    assert bench.runner().run(bench.first()).ran


def test_a_missing_output_is_made_again(bench: Bench) -> None:
    bench.runner().run(bench.first())
    (bench.root / "first.txt").unlink()
    assert bench.runner().run(bench.first()).ran


def test_a_changed_output_stops_the_run_and_is_left_as_it_is(bench: Bench) -> None:
    bench.runner().run(bench.first())
    (bench.root / "first.txt").write_text("forged")
    with pytest.raises(Tampered, match=r"first\.txt.*differ"):
        bench.runner().run(bench.first())
    with pytest.raises(Tampered, match=r"first\.txt"):
        bench.runner().run(bench.second())
    assert (bench.root / "first.txt").read_text() == "forged"
    assert bench.ran == ["first"]


def test_a_step_that_fails_leaves_no_record_and_runs_the_next_time(bench: Bench) -> None:
    def failing() -> Mapping[str, Path]:
        raise OSError

    with pytest.raises(OSError):
        bench.runner().run(replace(bench.first(), action=failing))
    assert not bench.runner().records()
    assert bench.runner().run(bench.first()).ran


def test_the_same_bytes_under_another_path_have_the_same_fingerprint(tmp_path: Path) -> None:
    prints = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        bench = Bench(tmp_path / name)
        prints.append(bench.runner().fingerprint(bench.first()))
    assert prints[0] == prints[1]


def test_asking_again_runs_what_is_up_to_date(bench: Bench) -> None:
    bench.runner().run(bench.first())
    assert bench.runner().run(bench.first(), again=True).ran
