"""The requests of the page on comparing rates go through the gate, and it draws their figures."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from enclave import requests
from enclave.classifications import Classification
from tests.docs.pages import DOCS
from tests.output_control.gate_world import REGION, World, tree_of

REQUEST = re.compile(r"<!-- request -->\n```python\n(.*?)```", re.DOTALL)
TYPES = tree_of("type", {"total": ("all",), "type": ("flat", "house")})
CLASSIFICATIONS = {
    "region": REGION,
    "occupancy": tree_of("occupancy", {"total": ("all",), "occupancy": ("vacant", "let", "owned")}),
    "type": Classification.model_validate(TYPES.model_dump() | {"standard": {"flat": 5500.0, "house": 4500.0}}),
}


def homes() -> pa.Table:
    each = [
        (area, use, kind)
        for at, area in enumerate(("G1a1", "G1b1", "G2a1"))
        for place, use in enumerate(("vacant", "let", "owned"))
        for kind in ("flat", "house")
        for _ in range(20 + 30 * place + 10 * at)
    ]
    number = pa.array(range(len(each)), pa.int64())
    area, use, kind = zip(*each, strict=True)
    return pa.table({"home": number, "owner": number, "area": area, "occupancy": use, "type": kind})


def test_the_requests_of_the_page_pass_the_gate_with_their_figures(tmp_path: Path) -> None:
    page = (DOCS / "how-to/compare-rates.md").read_text()
    asked = [eval(code, vars(requests).copy()) for code in REQUEST.findall(page)]  # noqa: S307 - our own page
    world = World(tmp_path, classifications=CLASSIFICATIONS).add("homes", homes())
    out = world.check(*requests.parse_requests(requests.dump_requests(tuple(asked))))
    assert len(asked) == 2
    for request in asked:
        header = out.outputs[f"outputs/demo/{request.name}.csv"].decode().splitlines()[0]
        assert "limit998_high" in header
        assert out.outputs[f"outputs/demo/{request.name}.svg"].count(b"<circle") == 2
