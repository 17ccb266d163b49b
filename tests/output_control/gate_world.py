"""A small world for the gate's tests: real Parquet frames, a real policy in a gate folder, a real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from enclave.classifications import Classification, Code
from enclave.engine import Engine, open_engine
from enclave.engine.interface import EngineName
from enclave.entropy import SeededEntropy
from enclave.fingerprints import Json
from enclave.frames import Frame, FrameManifest, manifest_columns, open_frame, writing_frame
from enclave.requests import DimensionRequest, OutputRequest, Population, TableRequest
from enclave.yaml_files import read_fields
from enclave.zones import Derived, Linked, Tag
from output_control.gate import check
from output_control.ledger.history import History
from output_control.policy import Policy, load_policy, provision_confidential
from output_control.sealed import CheckedOutput
from output_control.tables.derived import Sources

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
PUBLIC = CONFIGS / "policies" / "cbs_ra.yaml"
EXAMPLE = CONFIGS / "policies" / "cbs_ra.confidential.example.yaml"


def policy_in(folder: Path, **tables: object) -> Policy:
    """The shipped policy with its demo confidential part; ``tables`` overrides values of table rules."""
    gate = folder / "gate"
    gate.mkdir(mode=0o700, exist_ok=True)
    provision_confidential(EXAMPLE, gate, SeededEntropy(1))
    public = read_fields(PUBLIC.read_bytes())
    for name, value in tables.items():
        public[next(part for part in ("tables", "models", "distributions") if name in public[part])][name]["value"] = (
            value
        )
    path = folder / "cbs_ra.yaml"
    path.write_text(json.dumps(public, indent=1))  # which is YAML too
    return load_policy(path, gate)


def write_frame(path: Path, tag: type[Tag], table: pa.Table, name: str = "") -> Frame[Tag]:
    """``table`` as a frame of zone ``tag``; whole numbers called home, object or owner are unit keys of linked data.

    ``name``: as it calls itself, where that is not the file's.
    """
    kinds = {"home": "key:object", "object": "key:object", "owner": "key:owner"} if tag is Linked else {}
    columns = manifest_columns(table.schema, kinds)
    manifest = FrameManifest(zone=tag.zone, name=name or path.stem, project="demo", columns=columns, made_by="test")
    with writing_frame(path, manifest, table.schema) as sink:
        sink.write(table)
    return open_frame(path, tag)


def tree_of(name: str, levels: Mapping[str, tuple[str, ...]], **facts: object) -> Classification:
    """A classification from ``level -> codes``; a code's parent is the longest code it begins with, else the root."""
    codes: list[Code] = []
    for level, names in levels.items():
        for code in names:
            above = [c.code for c in codes if code.startswith(c.code)] or [c.code for c in codes[:1]]
            parent = above[-1] if above else ""
            codes.append(Code(code=code, parent=parent, level=level, label_nl=f"{code} nl", label_en=f"{code} en"))
    return Classification(name=name, title_nl=f"{name} nl", title_en=f"{name} en", codes=tuple(codes), **facts)


REGION = tree_of(
    "region",
    {
        "NL": ("NL",),
        "GM": ("G1", "G2"),
        "WK": ("G1a", "G1b", "G2a"),
        "BU": ("G1a1", "G1a2", "G1b1", "G2a1", "G2a2"),
    },
    geographic=True,
)
KIND = tree_of("kind", {"total": ("all",), "kind": ("k1", "k2", "k3")})
FLAG = tree_of("flag", {"total": ("all",), "flag": ("yes", "no")}, sensitive=True, neutral=("no",))
CLASSIFICATIONS = {"region": REGION, "kind": KIND, "flag": FLAG}
HOMES = Population(dataset="homes", key="home")


def table_request(*columns: str, **fields: object) -> TableRequest:
    """A count of homes by columns named as their classifications; ``levels`` maps a column to the levels shown."""
    levels = fields.pop("levels", {})
    assert isinstance(levels, dict)
    settings: dict[str, object] = {
        "name": "homes",
        "title": "Homes by what is asked",
        "derivation": "homes",
        "population": HOMES,
        "record": "home",
        "unit": "owner",
        "dimensions": tuple(
            DimensionRequest(column=column, classification=column, levels=levels.get(column, ())) for column in columns
        ),
    }
    return TableRequest.model_validate(settings | fields)


def random_homes(seed: int, rows: int, owners: int | None = None) -> pa.Table:
    """Skewed random homes; owners hold several."""
    rng = np.random.default_rng(seed)
    skew = rng.dirichlet(np.full(len(REGION.leaves()), 0.7))
    return pa.table(
        {
            "home": pa.array(rng.permutation(rows * 3)[:rows].astype(np.int64)),
            "owner": pa.array(rng.integers(0, owners or max(rows, 1), rows, dtype=np.int64)),
            "region": pa.array(rng.choice(REGION.leaves(), rows, p=skew).tolist()),
            "kind": pa.array(rng.choice(KIND.leaves(), rows, p=[0.7, 0.25, 0.05]).tolist()),
            "flag": pa.array(rng.choice(["yes", "no"], rows, p=[0.1, 0.9]).tolist()),
            "worth": pa.array(np.round(rng.lognormal(3, 1, rows), 2)),
        }
    )


@dataclass
class World:
    """Frames in a folder; ``check`` and ``sources`` open an engine over them."""

    folder: Path
    derived: dict[str, Frame[Derived]] = field(default_factory=dict)
    linked: dict[str, Frame[Linked]] = field(default_factory=dict)
    classifications: Mapping[str, Classification] = field(default_factory=lambda: dict(CLASSIFICATIONS))
    policy_overrides: dict[str, object] = field(default_factory=dict)
    made_with: dict[str, Json] = field(default_factory=lambda: {"code": {"analyses/demo/v1.py": "f" * 64}})
    history: History | None = None

    def add(self, name: str, table: pa.Table, population: pa.Table | None = None) -> World:
        """A derived frame, and the linked data set that is its population (by default: its own homes and owners)."""
        folder = self.folder / "frames"
        folder.mkdir(exist_ok=True)
        number = len(list(folder.iterdir()))
        self.derived[name] = write_frame(folder / f"{name}_{number}.parquet", Derived, table)
        keys = [table.column_names[0], *(name for name in table.column_names[1:] if name == "owner")]
        within = table.select(keys) if population is None else population
        self.linked[name] = write_frame(folder / f"linked_{name}_{number}.parquet", Linked, within, name)
        return self

    @property
    def policy(self) -> Policy:
        """The policy with this world's overrides."""
        return policy_in(self.folder, **self.policy_overrides)

    @contextmanager
    def engine(self, name: EngineName = "duckdb", threads: int = 1) -> Iterator[Engine]:
        """An engine over the frames."""
        with open_engine(
            name, scratch=self.folder / "scratch", readable=[self.folder / "frames"], threads=threads
        ) as engine:
            yield engine

    @contextmanager
    def sources(self, name: EngineName = "duckdb", threads: int = 1) -> Iterator[Sources]:
        """The frames in an engine."""
        with self.engine(name, threads) as engine:
            yield Sources(engine, self.derived, self.linked)

    def check(self, *requests: OutputRequest, engine: EngineName = "duckdb", threads: int = 1) -> CheckedOutput:
        """All requests through the gate."""
        with self.engine(engine, threads) as opened:
            return check(
                "demo",
                1,
                requests,
                rederive=lambda: self.derived,
                linked=self.linked,
                policy=self.policy,
                classifications=self.classifications,
                engine=opened,
                made_with=self.made_with,
                history=self.history,
                threads=threads,
            )


def frame_of(rows: list[tuple[int, str, str, int | None]]) -> pa.Table:
    return pa.table(
        {
            "home": pa.array(range(len(rows)), pa.int64()),
            "owner": pa.array([row[0] for row in rows], pa.int64()),
            "region": [row[1] for row in rows],
            "kind": [row[2] for row in rows],
            "worth": pa.array([row[3] for row in rows], pa.int64()),
        }
    )
