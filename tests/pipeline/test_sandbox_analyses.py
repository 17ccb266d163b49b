"""Both released analyses in the sandbox on a linked country: checked, and the same bytes however they run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from enclave.classifications import Classification, load_classification
from enclave.fingerprints import digest_file
from pipeline.sandbox.bubblewrap import find_bubblewrap
from pipeline.sandbox.job import EngineName
from pipeline.sandbox.run import Limits, SandboxResult, run_analysis
from tests.analyses.linked_country import LinkedCountry, link_country

pytestmark = pytest.mark.skipif(find_bubblewrap() is None, reason="bubblewrap is not installed")

CHECKOUT = Path(__file__).resolve().parents[2]
ROWS = {"doorsluishuizen": "v3_dwellings", "hemp_risk": "hemp_dwelling_years"}


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from synthetic.country import make_country

    out = tmp_path_factory.mktemp("sandboxed") / "country"
    make_country(out, persons=1000, seed=12)
    return out


@pytest.fixture(scope="module")
def linked(country: Path, tmp_path_factory: pytest.TempPathFactory) -> LinkedCountry:
    return link_country(country, tmp_path_factory.mktemp("linked"))


@pytest.fixture(scope="module")
def lists(country: Path) -> Mapping[str, Classification]:
    files = sorted((CHECKOUT / "configs/classifications").glob("*.yaml"))
    found = {path.stem: load_classification(path, [country]) for path in files}
    wanted = ("region_2016", "dwelling_type", "woz_class_2016", "doorsluis")
    return {name: found[name] for name in wanted}


def run(
    name: str,
    linked: LinkedCountry,
    lists: Mapping[str, Classification],
    out: Path,
    *,
    engine: EngineName = "duckdb",
    threads: int = 1,
) -> SandboxResult:
    return run_analysis(
        module=name,
        version=1,
        parameters={},
        inputs=linked.files,
        declared=None,
        classifications=lists,
        out=out / "results",
        engine=engine,
        threads=threads,
        scratch=out / "scratch",
        policy="required",
        code_root=CHECKOUT,
        limits=Limits(seconds=600, memory_bytes=6 << 30, engine_gib=1),
    )


def digests(result: SandboxResult) -> dict[str, str]:
    return {name: digest_file(path) for name, path in result.derived.items()}


@pytest.mark.parametrize("name", ["doorsluishuizen", "hemp_risk"])
def test_an_analysis_passes_the_sandbox_with_a_row_per_planted_record(
    name: str, country: Path, linked: LinkedCountry, lists: Mapping[str, Classification], tmp_path: Path
) -> None:
    (frame,) = run(name, linked, lists, tmp_path).derived.values()
    assert pq.read_metadata(frame).num_rows == pq.read_metadata(country / f"truth/{ROWS[name]}.parquet").num_rows


@pytest.mark.parametrize("name", ["doorsluishuizen", "hemp_risk"])
def test_threads_and_places_leave_no_trace_in_the_bytes(
    name: str, linked: LinkedCountry, lists: Mapping[str, Classification], tmp_path: Path
) -> None:
    one = digests(run(name, linked, lists, tmp_path / "here"))
    assert digests(run(name, linked, lists, tmp_path / "elsewhere", threads=2)) == one


@pytest.mark.spark
@pytest.mark.sweep
@pytest.mark.parametrize("name", ["doorsluishuizen", "hemp_risk"])
def test_spark_derives_the_same_bytes(
    name: str, linked: LinkedCountry, lists: Mapping[str, Classification], tmp_path: Path
) -> None:
    embedded = digests(run(name, linked, lists, tmp_path / "embedded", threads=2))
    assert digests(run(name, linked, lists, tmp_path / "spark", engine="spark", threads=2)) == embedded
