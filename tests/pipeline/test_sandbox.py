"""The sandbox on honest analyses: what goes in, what comes out, and that it is the same every time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from enclave.errors import BadInput, NotReady, Refused, SandboxViolation, WrongZone
from enclave.files import sweep_temporaries
from enclave.fingerprints import digest_file
from enclave.frames import open_frame
from enclave.requests import TableRequest, parse_requests
from enclave.zones import Derived
from pipeline.sandbox.bubblewrap import find_bubblewrap
from pipeline.sandbox.run import run_analysis
from tests.pipeline.sandboxed import COLOUR, DERIVE, HEAD, REQUESTS, Bench

CHECKOUT = Path(__file__).resolve().parents[2]
needs_bubblewrap = pytest.mark.skipif(find_bubblewrap() is None, reason="bubblewrap is not installed")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@needs_bubblewrap
def test_requests_and_derived_frames_come_out_sorted_by_record(bench: Bench) -> None:
    result = bench.run(HEAD, DERIVE, REQUESTS)
    assert [request.name for request in result.requests] == ["colours"]
    assert isinstance(result.requests[0], TableRequest)
    assert pq.read_table(result.derived["homes"]).to_pydict() == {
        "home": [1, 2, 3],
        "owner": [7, 8, 7],
        "colour": ["blue", "red", "red"],
    }
    assert parse_requests((bench.out / "requests.json").read_bytes()) == result.requests
    assert result.confined_by == "bubblewrap"


@needs_bubblewrap
def test_the_manifest_names_zone_maker_parents_and_keys(bench: Bench) -> None:
    manifest = open_frame(bench.run(HEAD, DERIVE, REQUESTS).derived["homes"], Derived).manifest
    assert manifest.made_by == "trial/v1"
    assert manifest.parents == {"homes": digest_file(bench.inputs["homes"])}
    assert manifest.column_names("key") == ("home", "owner")
    assert manifest.retention_date == "2030-01-01"


@needs_bubblewrap
def test_parameters_override_defaults_and_are_reported_in_full(bench: Bench) -> None:
    result = bench.run(HEAD, DERIVE, REQUESTS, parameters={"least": 90})
    assert pq.read_table(result.derived["homes"])["home"].to_pylist() == [1, 2]
    assert result.parameters == {"least": 90}


@needs_bubblewrap
@pytest.mark.parametrize("given", [{"most": 1}, {"least": "90"}, {"least": True}])
def test_an_unknown_or_wrongly_typed_parameter_is_refused(bench: Bench, given: dict[str, int | str | bool]) -> None:
    with pytest.raises(BadInput, match="parameter"):
        bench.run(HEAD, DERIVE, REQUESTS, parameters=given)


@needs_bubblewrap
def test_a_column_that_the_question_does_not_declare_does_not_exist_inside(bench: Bench) -> None:
    with pytest.raises(BadInput, match=r"line 11: the analysis failed \(ColumnNotFoundError\)"):
        bench.run(HEAD, DERIVE.replace('"size"', '"secret"').replace(">= parameters[", "> parameters["), REQUESTS)
    assert not bench.out.exists()


@needs_bubblewrap
def test_a_data_set_that_the_question_does_not_declare_is_refused_by_name(bench: Bench) -> None:
    with pytest.raises(Refused, match="does not declare: firms, persons"):
        bench.run(HEAD.replace('("homes",)', '("homes", "persons", "firms")'), DERIVE, REQUESTS)


@needs_bubblewrap
def test_a_declared_column_that_was_not_linked_is_refused_by_name(bench: Bench) -> None:
    with pytest.raises(Refused, match="homes, column storeys"):
        bench.run(HEAD, DERIVE, REQUESTS, declared={"homes": ("colour", "size", "storeys")})


@needs_bubblewrap
def test_an_input_of_another_zone_is_refused(bench: Bench) -> None:
    bench.inputs["homes"] = bench.run(HEAD, DERIVE, REQUESTS).derived["homes"]
    with pytest.raises(WrongZone):
        bench.run(HEAD, DERIVE, REQUESTS)


@needs_bubblewrap
def test_a_classification_that_does_not_exist_is_refused(bench: Bench) -> None:
    with pytest.raises(Refused, match="classifications that do not exist: hue"):
        bench.run(HEAD, DERIVE, REQUESTS.replace('classification="colour"', 'classification="hue"'))


@needs_bubblewrap
@pytest.mark.parametrize("part", ["TITLE", "INPUTS", "PARAMETERS"])
def test_a_module_without_one_of_the_parts_is_no_analysis(bench: Bench, part: str) -> None:
    with pytest.raises(BadInput, match="no analysis"):
        bench.run(HEAD.replace(f"{part} =", f"{part}_ ="), DERIVE, REQUESTS)


def test_a_version_that_does_not_exist_is_not_ready(bench: Bench) -> None:
    bench.write(HEAD, DERIVE, REQUESTS)
    with pytest.raises(NotReady, match="no analysis trial version 2"):
        run_analysis(
            module="trial",
            version=2,
            parameters={},
            inputs=bench.inputs,
            declared=None,
            classifications={"colour": COLOUR},
            out=bench.out,
            engine="duckdb",
            threads=1,
            scratch=bench.root / "scratch",
            policy="required",
            code_root=bench.root / "code",
        )


def test_an_analysis_that_is_not_python_is_bad_input_with_its_line(bench: Bench) -> None:
    with pytest.raises(BadInput, match="not Python, line 2"):
        bench.run("x = 1\ny = = 2\n")


def test_without_bubblewrap_no_analysis_runs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(bench.root))
    with pytest.raises(SandboxViolation, match="apt-get install bubblewrap"):
        bench.run(HEAD, DERIVE, REQUESTS)
    assert not bench.out.exists()


def test_without_bubblewrap_a_project_may_accept_the_risk_and_the_result_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(bench.root))
    result = bench.run(HEAD, DERIVE, REQUESTS, policy="accept-no-sandbox")
    assert result.confined_by in ("landlock", "nothing")
    assert pq.read_table(result.derived["homes"])["home"].to_pylist() == [1, 2, 3]


def test_without_bubblewrap_the_guard_still_stops_and_explains(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(bench.root))
    derive = "import typing\ndef derive(i, p):\n    typing.sys.modules['builtins'].open('/etc/passwd')\n"
    with pytest.raises(SandboxViolation, match="tried to read a file"):
        bench.run(HEAD, derive, REQUESTS, policy="accept-no-sandbox")


# Opens files by C++ code that raises no audit event, so that the guard sees nothing.
PAST_THE_GUARD = """
import typing
def derive(inputs, parameters):
    typing.sys.modules["pyarrow"].OSFile({path!r}, {mode!r}).read()
"""


@pytest.mark.parametrize("mode", ["rb", "wb"])
def test_without_bubblewrap_landlock_keeps_other_files_shut(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("PATH", str(bench.root))
    if bench.run(HEAD, DERIVE, REQUESTS, policy="accept-no-sandbox").confined_by == "nothing":
        pytest.skip("this kernel has no Landlock")
    other = bench.root / "other.txt"
    other.write_text("of another project")
    with pytest.raises(BadInput, match="PermissionError"):
        bench.run(HEAD, PAST_THE_GUARD.format(path=str(other), mode=mode), REQUESTS, policy="accept-no-sandbox")
    assert other.read_text() == "of another project"


@needs_bubblewrap
def test_a_sandbox_that_cannot_be_set_up_is_an_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = bench.root / "bin"
    broken.mkdir()
    (broken / "bwrap").write_text("#!/bin/sh\nexit 1\n")
    (broken / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(broken), prepend=os.pathsep)
    with pytest.raises(SandboxViolation, match="could not be set up"):
        bench.run(HEAD, DERIVE, REQUESTS)


@needs_bubblewrap
def test_scratch_is_empty_afterwards(bench: Bench) -> None:
    bench.run(HEAD, DERIVE, REQUESTS)
    assert list((bench.root / "scratch").iterdir()) == []


@needs_bubblewrap
def test_one_and_two_threads_give_the_same_bytes(bench: Bench) -> None:
    digests = {
        threads: digest_file(bench.run(HEAD, DERIVE, REQUESTS, threads=threads).derived["homes"]) for threads in (1, 2)
    }
    assert digests[1] == digests[2]


@needs_bubblewrap
def test_a_killed_run_leaves_no_process_and_only_what_the_sweep_removes(bench: Bench) -> None:
    bench.write(HEAD, "def derive(inputs, parameters):\n    while True:\n        pass", REQUESTS)
    code = (
        "import sys; from pathlib import Path; from tests.pipeline.sandboxed import *;"
        "bench = Bench.__new__(Bench); bench.root = Path(sys.argv[1]);"
        "bench.inputs = {'homes': bench.root / 'homes.parquet'};"
        "bench.run((bench.root / 'code/analyses/trial/v1.py').read_text())"
    )
    runner = subprocess.Popen([sys.executable, "-c", code, str(bench.root)], cwd=CHECKOUT)
    try:
        wait_until(lambda: analysis_runs(bench.root))
    finally:
        runner.kill()
        runner.wait()
    wait_until(lambda: not bubblewraps(bench.root))
    assert not bench.out.exists()
    assert sweep_temporaries(bench.root / "scratch") == 1
    assert list((bench.root / "scratch").iterdir()) == []


def bubblewraps(root: Path) -> list[int]:
    """The running bubblewraps that mount something below ``root``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (process / "cmdline").read_bytes()
            if b"bwrap" in line.split(b"\0")[0] and str(root).encode() in line:
                found.append(int(process.name))
    return found


def analysis_runs(root: Path) -> bool:
    """Whether the analysis has begun: the sandbox is built, and a process that is no bubblewrap runs in it."""
    outside = bubblewraps(root)
    for process in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(process.read_text().rpartition(")")[2].split()[1])
            if parent in outside and int(process.parent.name) not in outside:
                return True
    return False


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
