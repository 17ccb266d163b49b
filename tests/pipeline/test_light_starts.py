"""What only looks starts without the libraries of those who compute: they take more time than the look itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.office import create_office, settings_for
from tests.conftest import CHECKOUT

HEAVY = (
    *("numpy", "pyarrow", "pandas", "scipy", "statsmodels", "sklearn", "duckdb", "highspy", "narwhals"),
    *("splink", "networkx", "pandera", "openpyxl", "output_control.gate", "pyspark", "altair", "esda"),
)
RUN = f"""
import json, sys
from pipeline.main import app
app(sys.argv[1:], standalone_mode=False)
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["status", "--deliveries"]])
def test_help_and_status_load_no_heavy_library(arguments: list[str], tmp_path: Path) -> None:
    if arguments[0] == "status":
        (tmp_path / "data").mkdir()
        create_office(tmp_path, settings_for(tmp_path, tmp_path / "data", CHECKOUT / "configs", project="ondermijning"))
        arguments = [*arguments, "--workspace", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], check=True, capture_output=True, text=True, cwd=CHECKOUT
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
    assert "Usage:" in done.stdout or "Next: " in done.stdout
