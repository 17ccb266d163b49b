"""Small linked frames and throw-away analyses for the tests of the sandbox."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from enclave.classifications import Classification, Code
from enclave.frames import FrameManifest, manifest_columns, writing_frame
from enclave.zones import Zone
from pipeline.sandbox.job import EngineName, ParameterValue
from pipeline.sandbox.run import Limits, SandboxPolicy, SandboxResult, run_analysis

CANARY = "999912345"

COLOUR = Classification(
    name="colour",
    title_nl="Kleur",
    title_en="Colour",
    codes=(
        Code(code="all", level="total", label_nl="Alle", label_en="All"),
        Code(code="red", parent="all", level="colour", label_nl="Rood", label_en="Red"),
        Code(code="blue", parent="all", level="colour", label_nl="Blauw", label_en="Blue"),
    ),
)

HEAD = """
import narwhals as nw
from enclave.requests import DimensionRequest, Population, RegressionRequest, TableRequest, Term, TreeRequest

TITLE = "Homes by colour"
INPUTS = ("homes",)
PARAMETERS = {"least": 0}
"""
DERIVE = """
def derive(inputs, parameters):
    homes = inputs["homes"].filter(nw.col("size") >= parameters["least"])
    return {"homes": homes.select("home", "owner", "colour")}
"""
REQUESTS = """
def requests(parameters):
    return [
        TableRequest(
            name="colours",
            title="Homes by colour",
            derivation="homes",
            population=Population(dataset="homes", key="home"),
            record="home",
            unit="owner",
            dimensions=(DimensionRequest(column="colour", classification="colour"),),
        )
    ]
"""


def write_linked(path: Path, table: pa.Table, keys: Mapping[str, str], name: str = "homes") -> Path:
    """A frame of the linked zone; ``keys`` says which columns are keys of which kind."""
    roles = {column: f"key:{kind}" for column, kind in keys.items()}
    manifest = FrameManifest(
        zone=Zone.LINKED,
        name=name,
        project="test",
        columns=manifest_columns(table.schema, roles),
        made_by="a test",
        retention_date="2030-01-01",
    )
    with writing_frame(path, manifest, table.schema) as sink:
        sink.write(table)
    return path


@dataclass
class Bench:
    """A folder with a code root, one linked data set, and the place where derived frames would appear."""

    root: Path
    inputs: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        homes = pa.table(
            {
                "home": pa.array([3, 1, 2], pa.int64()),
                "owner": pa.array([7, 7, 8], pa.int64()),
                "colour": ["red", "blue", "red"],
                "size": pa.array([80, 90, 100], pa.int64()),
                "secret": [CANARY, CANARY, CANARY],
            }
        )
        self.inputs["homes"] = write_linked(self.root / "homes.parquet", homes, {"home": "object", "owner": "owner"})

    @property
    def out(self) -> Path:
        """Where derived frames appear."""
        return self.root / "results"

    def write(self, *parts: str, name: str = "trial") -> None:
        """Write ``analyses/<name>/v1.py`` from its parts."""
        folder = self.root / "code" / "analyses" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "v1.py").write_text("\n".join(textwrap.dedent(part) for part in parts))

    def run(
        self,
        *parts: str,
        engine: EngineName = "duckdb",
        threads: int = 1,
        policy: SandboxPolicy = "required",
        limits: Limits | None = None,
        parameters: Mapping[str, ParameterValue] | None = None,
        declared: Mapping[str, Sequence[str]] | None = None,
    ) -> SandboxResult:
        """Write the analysis and run it; the question declares ``colour`` and ``size`` unless told otherwise."""
        self.write(*parts)
        return run_analysis(
            module="trial",
            version=1,
            parameters=parameters or {},
            inputs=self.inputs,
            declared=declared or {"homes": ("colour", "size")},
            classifications={"colour": COLOUR},
            out=self.out,
            engine=engine,
            threads=threads,
            scratch=self.root / "scratch",
            policy=policy,
            code_root=self.root / "code",
            limits=limits or Limits(seconds=60, memory_bytes=2 << 30, engine_gib=0.5),
        )
