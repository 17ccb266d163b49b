"""The boundary itself, without the guard's messages: what a program finds inside the sandbox."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.sandbox import bubblewrap

pytestmark = pytest.mark.skipif(bubblewrap.find_bubblewrap() is None, reason="bubblewrap is not installed")

PROBE = """
import json, os, socket, sys

def tried(action):
    try:
        return repr(action())
    except OSError as error:
        return type(error).__name__ + " " + str(error.errno)

def write(path):
    with open(path, "w") as handle:
        return handle.write("x")

port, other = int(sys.argv[1]), sys.argv[2]
found = {
    "connect": tried(lambda: socket.create_connection(("127.0.0.1", port), 2)),
    "abroad": tried(lambda: socket.create_connection(("192.0.2.1", 80), 2)),
    "interfaces": [name for _, name in socket.if_nameindex()],
    "other": tried(lambda: open(other).read()),
    "shadow": tried(lambda: open("/etc/shadow").read()),
    "etc": sorted(os.listdir("/etc")),
    "home": os.path.exists("/root/.bashrc") or os.path.exists("/home"),
    "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
    "environment": sorted(os.environ),
    "input": tried(lambda: open("/box/in.txt").read()),
    "write input": tried(lambda: write("/box/in.txt")),
    "write code": tried(lambda: write("/code/new.py")),
    "write root": tried(lambda: write("/new")),
    "write usr": tried(lambda: write("/usr/new")),
    "write out": tried(lambda: write("/box/out/new")),
    "write tmp": tried(lambda: write("/tmp/new")),
    "unmask": tried(lambda: os.setuid(0) or os.chroot("/")),
}
with open("/box/out/found.json", "w") as handle:
    json.dump(found, handle)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    root = tmp_path_factory.mktemp("boundary")
    for name in ("code", "out", "job"):
        (root / name).mkdir()
    (root / "in.txt").write_text("declared")
    (root / "other.txt").write_text("of another project")
    (root / "probe.py").write_text(PROBE)
    mounts = bubblewrap.Mounts(
        read_only={
            bubblewrap.CODE: root / "code",
            bubblewrap.BOX / "in.txt": root / "in.txt",
            bubblewrap.BOX / "probe.py": root / "probe.py",
            **bubblewrap.account_files(root / "job"),
        },
        writable={bubblewrap.BOX / "out": root / "out"},
    )
    variables = bubblewrap.environment(bubblewrap.CODE, bubblewrap.BOX / "out")
    with socket.create_server(("127.0.0.1", 0)) as server:
        python = bubblewrap.python_command(Path("unused"))[0]
        command = [python, "/box/probe.py", str(server.getsockname()[1]), str(root / "other.txt")]
        bwrap = bubblewrap.find_bubblewrap()
        assert bwrap is not None
        full = bubblewrap.sandboxed_command(bwrap, mounts, command, variables)
        subprocess.run(full, env={**os.environ, "SECRET_PASSPHRASE": "x"}, check=True, timeout=60)
    return dict(json.loads((root / "out" / "found.json").read_text()))


def test_no_socket_reaches_the_machine_or_beyond(found: Mapping[str, Any]) -> None:
    assert found["connect"].startswith("ConnectionRefusedError")
    assert found["abroad"].startswith("OSError")
    assert found["interfaces"] == ["lo"]


def test_no_file_of_the_machine_or_of_another_project_is_there(found: Mapping[str, Any]) -> None:
    assert found["other"].startswith("FileNotFoundError")
    assert found["shadow"].startswith("FileNotFoundError")
    assert [name for name in found["etc"] if not name.startswith("java")] == ["hosts", "passwd"]
    assert not found["home"]


def test_no_process_and_no_variable_of_the_outside_is_seen(found: Mapping[str, Any]) -> None:
    assert len(found["processes"]) <= 2
    assert "SECRET_PASSPHRASE" not in found["environment"]


def test_only_the_output_and_a_private_tmp_can_be_written(found: Mapping[str, Any]) -> None:
    assert found["input"] == "'declared'"
    for place in ("write input", "write code", "write root", "write usr"):
        assert found[place].startswith(("OSError 30", "PermissionError")), place
    assert found["write out"] == "1"
    assert found["write tmp"] == "1"
    assert not Path("/tmp/new").exists()


def test_no_privilege_is_left(found: Mapping[str, Any]) -> None:
    assert found["unmask"].startswith("PermissionError")
