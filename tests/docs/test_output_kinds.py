"""Every kind of output, from the page that shows it: out of the sandbox, through the gate, to files and annex."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from enclave.classifications import load_classification
from enclave.engine import open_engine
from enclave.frames import open_frame
from enclave.requests import KINDS
from enclave.zones import Derived, Linked
from output_control.gate import check
from output_control.leaving import faults_of_leaving
from pipeline.sandbox.bubblewrap import find_bubblewrap
from pipeline.sandbox.run import run_analysis
from synthetic.country import make_country
from tests.analyses.linked_country import link_country
from tests.docs.pages import CHECKOUT, DOCS
from tests.output_control.gate_world import policy_in

PAGE = DOCS / "reference" / "output-kinds.md"
pytestmark = pytest.mark.skipif(find_bubblewrap() is None, reason="bubblewrap is not installed")


def test_every_kind_goes_from_the_sandbox_through_the_gate(tmp_path: Path) -> None:
    country, code = tmp_path / "country", tmp_path / "code"
    make_country(country, persons=1000, seed=12)
    linked_folder = tmp_path / "linked"
    linked_folder.mkdir()
    linked = link_country(country, linked_folder)
    place = code / "analyses" / "every_kind"
    place.mkdir(parents=True)
    for folder in (place, place.parent):
        (folder / "__init__.py").write_text('"""Analyses."""\n')
    (place / "v1.py").write_text(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0])
    listed = load_classification(CHECKOUT / "configs/classifications/woz_class_2016.yaml")
    lists = {"woz_class_2016": listed}
    names = ("dwellings", "property_2012", "property_2016", "addresses")
    result = run_analysis(
        module="every_kind",
        version=1,
        parameters={},
        inputs={name: linked.files[name] for name in names},
        declared=None,
        classifications=lists,
        out=tmp_path / "results",
        engine="duckdb",
        threads=1,
        scratch=tmp_path / "scratch",
        policy="required",
        code_root=code,
    )
    assert {request.kind for request in result.requests} == set(KINDS) - {"table"}
    readable = [linked_folder, tmp_path / "results"]
    with open_engine("duckdb", scratch=tmp_path / "engine", readable=readable, threads=1) as engine:
        out = check(
            "every_kind",
            1,
            result.requests,
            rederive=lambda: {name: open_frame(path, Derived) for name, path in result.derived.items()},
            linked={name: open_frame(linked.files[name], Linked) for name in names},
            policy=policy_in(tmp_path),
            classifications=lists,
            engine=engine,
            made_with={"test": "f" * 64},
        )

    for request in result.requests:
        stem = f"every_kind/{request.name}"
        assert out.outputs[f"outputs/{stem}.csv"].count(b"\n") > 1
        assert f"outputs/{stem}.csv-metadata.json" in out.outputs
        said = json.loads(out.evidence[f"evidence/{stem}.json"])
        assert (said["kind"], said["name" if "name" in said else "request"]) == (request.kind, request.name)
        assert said["checks"]
        assert any(name.startswith(f"annex/{stem}") for name in out.checker_annex)
    drawn = {name for name in out.outputs if name.endswith(".svg")}
    assert drawn == {"outputs/every_kind/values.svg", "outputs/every_kind/staying.svg"}
    assert faults_of_leaving({**out.outputs, **out.evidence}) == []
