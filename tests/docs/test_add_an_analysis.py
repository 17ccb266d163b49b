"""The analysis that the page shows is one: the sandbox takes it, on the office's own data sets and classifications."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from enclave.classifications import Classification, Code
from enclave.frames import open_frame
from enclave.zones import Derived
from pipeline.sandbox.run import run_analysis
from tests.docs.pages import DOCS
from tests.pipeline.sandboxed import write_linked

KEYS = {"dwelling": "object"}
PAGE = DOCS / "how-to" / "add-an-analysis.md"
AREAS = Classification(
    name="region_2016",
    title_nl="Regio",
    title_en="Region",
    geographic=True,
    codes=tuple(
        Code(code=code, parent=parent, level=level, label_nl=code, label_en=code)
        for code, parent, level in (
            ("NL", "", "NL"),
            ("GM9001", "NL", "GM"),
            ("WK900101", "GM9001", "WK"),
            ("BU90010101", "WK900101", "BU"),
        )
    ),
)
TYPES = Classification(
    name="dwelling_type",
    title_nl="Woningtype",
    title_en="Type",
    codes=(
        Code(code="all", level="total", label_nl="Alle", label_en="All"),
        *(
            Code(code=str(kind), parent="all", level="type", label_nl=str(kind), label_en=str(kind))
            for kind in range(1, 6)
        ),
    ),
)


def test_the_analysis_of_the_page_passes_the_sandbox(tmp_path: Path) -> None:
    code = tmp_path / "code"
    place = code / "analyses" / "home_types"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text('"""Home types."""\n')
    (place.parent / "__init__.py").write_text('"""Analyses."""\n')
    (place / "v1.py").write_text(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0])
    homes = pa.table({"dwelling": [3, 5, 8, 9], "WONINGTYPE": ["1", "5", "-", "2"]})
    areas = pa.table({"dwelling": [3, 5, 8, 9], "bc2016": ["90010101", "90010101", "90010101", "--------"]})

    result = run_analysis(
        module="home_types",
        version=1,
        parameters={},
        inputs={
            "dwellings": write_linked(tmp_path / "dwellings.parquet", homes, KEYS, "dwellings"),
            "dwelling_areas": write_linked(tmp_path / "dwelling_areas.parquet", areas, KEYS, "dwelling_areas"),
        },
        declared={"dwellings": ("WONINGTYPE",), "dwelling_areas": ("bc2016",)},
        classifications={"region_2016": AREAS, "dwelling_type": TYPES},
        out=tmp_path / "out",
        engine="duckdb",
        threads=1,
        scratch=tmp_path / "scratch",
        policy="required",
        code_root=code,
    )

    assert [request.name for request in result.requests] == ["home_types"]
    derived = pq.read_table(result.derived["homes"])
    open_frame(result.derived["homes"], Derived)
    # 8 has no known type, 9 no known area
    assert derived.select(["dwelling", "dwelling_type", "buurt"]).to_pylist() == [
        {"dwelling": 3, "dwelling_type": "1", "buurt": "BU90010101"},
        {"dwelling": 5, "dwelling_type": "5", "buurt": "BU90010101"},
    ]
