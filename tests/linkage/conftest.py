"""A synthetic country, its deliveries pseudonymised under keys of the test, and one call that links it all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pytest

from enclave.engine import EngineName, open_engine
from enclave.entropy import Entropy, SeededEntropy
from enclave.frames import Frame, FrameManifest, manifest_columns, open_frame, writing_frame
from enclave.identifiers import check
from enclave.project import Project, load_project
from enclave.zones import Pseudonymised, Zone
from linkage.key_register import KeyTableVersion, build_key_table
from linkage.key_zone import KeyZone
from linkage.link import LinkResult, link
from pseudonymise.custody import CMAC
from pseudonymise.keyed_hash import hash_values
from synthetic.country import make_country

CHECKOUT = Path(__file__).resolve().parents[2]
KINDS = {
    "bag_id": "bag",
    "occupant_bsn": "bsn",
    "bsn": "bsn",
    "buyer_bsn": "bsn",
    "buyer_rsin": "rsin",
    "buyer_kvk": "kvk",
}
DATES = ("clearance_date", "deed_date", "start_date", "end_date")
KEPT = ("plants", "deed_sequence", "deed_type", "sex", *DATES)


@dataclass(frozen=True)
class Keys:
    """Hash keys of one project; ``kind`` -> 32 bytes."""

    project: str

    def key(self, kind: str) -> bytes:
        return hashlib.sha256(f"{self.project}/{kind}".encode()).digest()

    def hasher(self, kind: str, values: pa.Array) -> pa.Array:
        return hash_values(check(kind, values).canonical, self.key(kind), CMAC)

    def ids(self) -> dict[str, str]:
        return {kind: f"test;{self.project};{kind}" for kind in ("bsn", "bag", "rsin", "kvk")}


def read_delivery(path: Path) -> pa.Table:
    """A clean delivery as text columns."""
    if path.suffix == ".xlsx":
        header, *rows = openpyxl.load_workbook(path, read_only=True).worksheets[0].iter_rows(values_only=True)
        cells = [[_text(row[i]) for row in rows] for i in range(len(header))]
        return pa.table(dict(zip((str(name) for name in header), cells, strict=True)))
    text = path.read_bytes().decode("cp1252").encode()
    names = text.split(b"\n", 1)[0].decode().strip().replace('"', "").split(";")
    return pa_csv.read_csv(
        pa.BufferReader(text),
        parse_options=pa_csv.ParseOptions(delimiter=";"),
        convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )


def _text(cell: Any) -> str:
    return "" if cell is None else cell.strftime("%d-%m-%Y") if hasattr(cell, "strftime") else str(cell)


def write_frame(
    path: Path, schema_name: str, table: pa.Table, keys: Keys, *, encryption: Any = None, decryption: Any = None
) -> Frame[Pseudonymised]:
    """Pseudonymise a text table as ``pseudonymise`` does: hashes, dates, kept columns, the year of birth."""
    columns: dict[str, pa.Array] = {}
    roles = {}
    for name in table.column_names:
        values = table[name].combine_chunks()
        filled = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
        if name in KINDS:
            columns[f"{name}_hash"] = keys.hasher(KINDS[name], filled)
            roles[f"{name}_hash"] = f"key:{KINDS[name]}"
        elif name in DATES:
            columns[name] = pc.strptime(filled, "%d-%m-%Y", "s").cast(pa.date32())
        elif name.endswith("birth_date"):
            columns[f"{name}_year"] = pc.utf8_slice_codeunits(filled, -4).cast(pa.int16())
        elif name in KEPT:
            columns[name] = filled.cast(pa.int64()) if name in ("deed_sequence", "plants") else filled
    made = pa.table(columns)
    manifest = FrameManifest(
        zone=Zone.PSEUDONYMISED,
        name=schema_name,
        project=keys.project,
        columns=manifest_columns(made.schema, roles),
        made_by="test",
        parents={"delivery": "0" * 64},
        key_ids={name: keys.ids()[role.removeprefix("key:")] for name, role in roles.items()},
        period="2016",
        retention_date="2027-06-30",
    )
    with writing_frame(path, manifest, made.schema, encryption=encryption) as sink:
        sink.write(made)
    return open_frame(path, Pseudonymised, decryption=decryption)


@dataclass(frozen=True)
class Site:
    """One installation: a country, a project, its keys and its folders."""

    country: Path
    root: Path
    project: Project
    frames: Mapping[str, Sequence[Frame[Pseudonymised]]]
    seed: int = 5
    keys: Keys = field(default_factory=lambda: Keys("ondermijning"))
    zone_means: tuple[Any, Any] = (None, None)

    @property
    def zone(self) -> KeyZone:
        return KeyZone(self.root / "keys", *self.zone_means)

    @property
    def out(self) -> Path:
        return self.root / "linked"

    def at(self, root: Path, **changes: Any) -> Site:
        return replace(self, root=root, **changes)

    def build(self, engine: Any, key_register: Path | None = None) -> KeyTableVersion:
        return build_key_table(
            key_register or self.country / "key_register",
            hasher=self.keys.hasher,
            key_ids=self.keys.ids(),
            zone=self.zone,
            engine=engine,
        )

    def run(
        self,
        *,
        name: EngineName = "duckdb",
        threads: int = 1,
        key_register: Path | None = None,
        entropy: Entropy | None = None,
        **arguments: Any,
    ) -> LinkResult:
        paths = [self.country / "registers", *(f.path for frames in self.frames.values() for f in frames)]
        with open_engine(
            name, scratch=self.root / "scratch", readable=paths, threads=threads, memory_gib=1.0
        ) as engine:
            self.build(engine, key_register)
            return link(
                self.project,
                pseudonymised=self.frames,
                registers=self.country / "registers",
                zone=self.zone,
                engine=engine,
                out=self.out,
                entropy=entropy or SeededEntropy(self.seed),
                **arguments,
            )


@pytest.fixture(scope="session")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("country") / "country"
    make_country(out, persons=1000, seed=11)
    return out


def by_identifier_only() -> Project:
    """The demonstration's project, linked by identifier only: what matching by name adds is tested on its own."""
    project = load_project(CHECKOUT / "configs" / "projects" / "ondermijning.yaml")
    data = {
        name: found.model_copy(
            update={"keys": tuple(key.model_copy(update={"probabilistic": None}) for key in found.keys)}
        )
        for name, found in project.data.items()
        if name != "valuations"  # comes as .sav, which is not read here
    }
    questions = {name: found for name, found in project.questions.items() if "valuations" not in found.uses}
    return project.model_copy(update={"data": data, "questions": questions})


@pytest.fixture(scope="session")
def project() -> Project:
    return by_identifier_only()


def pseudonymised(country: Path, folder: Path, keys: Keys) -> dict[str, list[Frame[Pseudonymised]]]:
    """All deliveries that the project links, by schema, suppliers sorted."""
    frames: dict[str, list[Frame[Pseudonymised]]] = {}
    for path in sorted((country / "deliveries").glob("*/*")):
        schema_name = path.name.rsplit("_", 1)[0]
        if path.suffix in (".csv", ".xlsx"):
            target = folder / path.parent.name / f"{path.stem}.parquet"
            frames.setdefault(schema_name, []).append(write_frame(target, schema_name, read_delivery(path), keys))
    return frames


@pytest.fixture(scope="session")
def site(country: Path, project: Project, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Not linked yet; tests take ``site.at(tmp_path)``."""
    root = tmp_path_factory.mktemp("site")
    frames = pseudonymised(country, root / "pseudonymised", Keys(project.name))
    return Site(country, root, project, frames)


@pytest.fixture(scope="session")
def linked(site: Site) -> LinkResult:
    """The country, linked once."""
    return site.run()
