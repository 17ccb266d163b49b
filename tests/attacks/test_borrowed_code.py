"""An analysis that has its work done by code which no fingerprint covers, and which could change after the approval."""

from __future__ import annotations

from pathlib import Path

import pytest

from enclave.errors import SandboxViolation
from pipeline.sandbox.source import inspect_source


def written(tmp_path: Path, line: str) -> Path:
    path = tmp_path / "analyses" / "mine" / "v1.py"
    path.parent.mkdir(parents=True)
    path.write_text(f"{line}\n")
    return path


@pytest.mark.parametrize(
    "line",
    [
        "import analyses.other.v1",
        "from analyses.other.v1 import derive",
        "from analyses import other",
        "from ..other.v1 import derive",
        "from .. import other",
        "from ...enclave import files",
        "import analyses",
    ],
)
def test_the_code_of_another_analysis_is_not_imported(tmp_path: Path, line: str) -> None:
    with pytest.raises(SandboxViolation, match="line 1 imports"):
        inspect_source(written(tmp_path, line))


@pytest.mark.parametrize(
    "line",
    [
        "from analyses.methods import bands",
        "from analyses import methods",
        "from ..methods import bands",
        "from analyses.mine.lists import X",
        "from .lists import X",
        "from . import lists",
        "import math, narwhals as nw",
    ],
)
def test_its_own_modules_and_the_shared_methods_are(tmp_path: Path, line: str) -> None:
    inspect_source(written(tmp_path, line))
