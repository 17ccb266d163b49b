"""Analyses that try to leave their sandbox: each gets a clear error, and nothing is written."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from enclave.errors import EnclaveError, Refused, SandboxViolation
from pipeline.sandbox.bubblewrap import find_bubblewrap
from pipeline.sandbox.run import Limits
from tests.pipeline.sandboxed import CANARY, DERIVE, HEAD, REQUESTS, Bench

pytestmark = pytest.mark.skipif(find_bubblewrap() is None, reason="bubblewrap is not installed")

# Reaches modules that an analysis may not import, past the reading of its source.
MODULES = "import typing\nmodules = typing.sys.modules\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server.getsockname()[1]
        with pytest.raises(TimeoutError):
            server.accept()


def derive_with(statement: str) -> str:
    return f"{MODULES}\ndef derive(inputs, parameters):\n    {statement}\n    return {{}}\n"


def assert_stopped(bench: Bench, error: EnclaveError, *words: str) -> None:
    """The message names what was tried, holds no value, and nothing was written."""
    message = str(error)
    assert all(word in message for word in words), message
    assert CANARY not in message
    assert error.__cause__ is None or error.__suppress_context__
    assert not bench.out.exists()
    assert list((bench.root / "scratch").glob("*")) == [] if (bench.root / "scratch").exists() else True


@pytest.mark.parametrize(
    ("statement", "offence"),
    [
        ("import socket", "imports socket"),
        ("import pickle", "imports pickle"),
        ("import ctypes", "imports ctypes"),
        ("from os import path", "imports os"),
        ("import subprocess", "imports subprocess"),
        ("from enclave.files import write_text", "imports enclave.files"),
        ("open('/etc/passwd')", "calls open"),
        ("eval('1')", "calls eval"),
        ("__import__('os')", "calls __import__"),
    ],
)
def test_a_forbidden_import_or_call_is_refused_before_anything_runs(bench: Bench, statement: str, offence: str) -> None:
    with pytest.raises(SandboxViolation) as caught:
        bench.run(HEAD, derive_with(statement), REQUESTS)
    assert_stopped(bench, caught.value, offence, "trial/v1.py", "line ")


def test_all_forbidden_imports_are_named_at_once(bench: Bench) -> None:
    with pytest.raises(SandboxViolation) as caught:
        bench.run("import socket\nimport pickle\n", HEAD, DERIVE, REQUESTS)
    assert_stopped(bench, caught.value, "line 1 imports socket", "line 2 imports pickle")


@pytest.mark.parametrize(
    ("statement", "tried"),
    [
        ("modules['socket'].create_connection(('127.0.0.1', {port}))", "use the network"),
        ("modules['socket'].getaddrinfo('localhost', 80)", "use the network"),
        ("modules['socket'].socket().bind(('127.0.0.1', 0))", "use the network"),
        ("modules['builtins'].open('/etc/passwd').read()", "read a file"),
        ("modules['builtins'].open('{other}').read()", "read a file"),
        ("modules['builtins'].open('/box/in/homes.parquet', 'rb').read()", "read a file"),
        ("modules['os'].listdir('/')", "read a file"),
        ("modules['builtins'].open('/box/out/more.csv', 'w')", "write"),
        ("modules['builtins'].open('{other}', 'a')", "write"),
        ("modules['os'].mkdir('/box/out/more')", "write"),
        ("modules['os'].system('true')", "start or signal another process"),
        ("modules['subprocess'].run(['/bin/true'])", "start or signal another process"),
        ("modules['os'].fork()", "start or signal another process"),
        ("modules['os'].kill(1, 9)", "start or signal another process"),
        ("modules['ctypes'].CDLL(None)", "call machine code"),
        ("modules['pickle'].loads(b'cbuiltins' + bytes([10]) + b'id' + bytes([10]) + b'.')", "load pickled objects"),
        ("modules['builtins'].exec('open(chr(47))')", "read a file"),
        ("modules['importlib'].import_module('sqlite3').connect('/box/out/x.db')", "read a file"),
    ],
)
def test_a_forbidden_action_ends_the_run_with_what_was_tried(
    bench: Bench, listener: int, statement: str, tried: str
) -> None:
    other = bench.root / "other-project.csv"
    other.write_text(CANARY)
    filled = statement.replace("{port}", str(listener)).replace("{other}", str(other))
    loaded = "import ctypes, pickle, socket, subprocess, importlib"
    prelude = f"modules['builtins'].exec({loaded!r}, {{}}); "
    with pytest.raises(SandboxViolation) as caught:
        bench.run(HEAD, derive_with(prelude + filled), REQUESTS)
    assert_stopped(bench, caught.value, tried, "trial/v1.py, line ")
    assert other.read_text() == CANARY


@pytest.mark.parametrize(
    ("derive", "requests", "words"),
    [
        (DERIVE, "def requests(p): return nw.from_dict({'a': [1]}, backend='pyarrow')", ("data frame of records",)),
        (DERIVE, "def requests(p): return [nw.from_dict({'a': [1]}, backend='pyarrow')]", ("data frame of records",)),
        (DERIVE, "def requests(p): return [1]", ("unknown kind", "enclave.requests")),
        (DERIVE, "def requests(p): return 'all'", ("unknown kind",)),
        (DERIVE, "def requests(p): return [{'kind': 'scatter'}]", ("request 1", "no known kind")),
        (DERIVE, "def requests(p): return [{'kind': 'table', 'rows': [[1]]}]", ("request 1", "malformed")),
        (DERIVE, "def requests(p): return []", ("list of output requests",)),
        ("def derive(i, p): return {'homes': i['homes'].collect()}", REQUESTS, ("data frame of records",)),
        ("def derive(i, p): return i['homes']", REQUESTS, ("data frame of records",)),
        ("def derive(i, p): return {'others': i['homes']}", REQUESTS, ("other than those that its requests name",)),
        ("def derive(i, p): return {'homes': i['homes']}", REQUESTS, ("1 columns that no request names",)),
        ("def derive(i, p): return {'homes': i['homes'].select('home', 'owner')}", REQUESTS, ("not derived: colour",)),
    ],
)
def test_what_is_neither_request_nor_named_derived_frame_is_refused(
    bench: Bench, derive: str, requests: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(Refused) as caught:
        bench.run(HEAD, derive, requests)
    assert_stopped(bench, caught.value, *words)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("colour=nw.col('secret')", ("column colour", "no declared code list", "3 or more rows")),
        ("colour=nw.col('size')", ("column colour must hold codes",)),
        ("colour=nw.col('size') > 80", ("neither whole numbers",)),
        ("home=nw.lit(1)", ("home recur in 2",)),
        ("owner=nw.when(nw.col('size') > 80).then(nw.col('owner'))", ("column owner is missing in 1",)),
        ("owner=nw.col('colour')", ("owner (whole numbers)",)),
    ],
)
def test_a_derived_frame_holds_codes_and_one_row_per_record_or_is_refused(
    bench: Bench, column: str, words: tuple[str, ...]
) -> None:
    derive = f"""
    def derive(inputs, parameters):
        homes = inputs["homes"].with_columns({column})
        return {{"homes": homes.select("home", "owner", "colour")}}
    """
    with pytest.raises(Refused) as caught:
        bench.run(HEAD, derive, REQUESTS, declared={"homes": ("colour", "size", "secret")})
    assert_stopped(bench, caught.value, *words)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("raise SystemExit(0)", ("ended its own process",)),
        ("modules['os']._exit(0)", ("without a report",)),
        ("modules['os'].abort()", ("without a report",)),
        ("modules['builtins'].exec('while True: pass')", ("longer than it may",)),
        ("x = [bytearray(1 << 28) for _ in range(1000)]", ("more memory", "line 13")),
    ],
)
def test_an_analysis_that_exits_loops_or_swells_is_stopped(
    bench: Bench, statement: str, words: tuple[str, ...]
) -> None:
    limits = Limits(seconds=6, memory_bytes=1 << 30, engine_gib=0.25)
    with pytest.raises(SandboxViolation) as caught:
        bench.run(HEAD, derive_with(statement), REQUESTS, limits=limits)
    assert_stopped(bench, caught.value, *words)


@pytest.mark.parametrize(
    "statement",
    [
        "modules['pyarrow'].OSFile('/box/out/records.csv', 'wb').write(b'1')",
        "modules['pyarrow'].OSFile('/box/out/report.json', 'wb').write(b'{')",
    ],
)
def test_files_that_slip_past_the_messages_are_not_kept(bench: Bench, statement: str) -> None:
    derive = DERIVE.replace("    homes =", f"    {statement}\n    homes =", 1)
    try:
        bench.run(HEAD, MODULES, derive, REQUESTS)
    except (Refused, SandboxViolation) as refused:
        assert_stopped(bench, refused)
    else:
        assert sorted(path.name for path in bench.out.iterdir()) == ["homes.parquet", "requests.json"]
        assert "report" in statement


def test_what_an_analysis_prints_or_raises_is_shown_to_nobody(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    derive = """
    def derive(inputs, parameters):
        seen = inputs["homes"].collect().to_native()["secret"][0].as_py()
        print(seen)
        typing.sys.stderr.write(seen)
        raise type("E" + seen, (ValueError,), {})(seen)
    """
    with pytest.raises(EnclaveError) as caught:
        bench.run(HEAD, MODULES, derive, REQUESTS, declared={"homes": ("colour", "size", "secret")})
    assert_stopped(bench, caught.value, "the analysis failed (an error of its own)", "trial/v1.py, line 17")
    shown = capfd.readouterr()
    assert shown.out + shown.err == ""


def test_requests_are_collected_where_no_data_are(bench: Bench) -> None:
    requests = """
    def requests(parameters):
        modules["builtins"].exec("import pyarrow; pyarrow.OSFile('/box/in/homes.parquet').read()", {})
    """
    with pytest.raises(EnclaveError, match="FileNotFoundError") as caught:
        bench.run(HEAD, MODULES, DERIVE, requests)
    assert_stopped(bench, caught.value)


def test_an_earlier_result_survives_a_later_violation(bench: Bench) -> None:
    bench.run(HEAD, DERIVE, REQUESTS)
    before = {path.name: path.read_bytes() for path in bench.out.iterdir()}
    with pytest.raises(SandboxViolation):
        bench.run(HEAD, derive_with("modules['os']._exit(0)"), REQUESTS)
    assert {path.name: path.read_bytes() for path in bench.out.iterdir()} == before
