"""Run an analysis in a sandbox, twice: once without data for its requests, once with its inputs for derived frames."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

import enclave
import pipeline
from enclave.classifications import Classification
from enclave.engine.scratch import remove_folder
from enclave.errors import SandboxViolation
from enclave.files import TEMPORARY_MARK, storage_errors
from enclave.frames import Frame, FrameManifest
from enclave.requests import OutputRequest, parse_requests
from enclave.zones import Linked, Zone
from pipeline.sandbox import bubblewrap
from pipeline.sandbox.derived import Outlet, check_contents, rules_of
from pipeline.sandbox.inputs import Declared, open_inputs, reduce_inputs
from pipeline.sandbox.job import REPORT_BYTES, REPORT_NAME, EngineName, Job, ParameterValue, Report
from pipeline.sandbox.outcomes import raise_unless_done
from pipeline.sandbox.source import ANALYSES, inspect_source, module_path

Confinement = Literal["bubblewrap", "landlock", "nothing"]
SandboxPolicy = Literal["required", "accept-no-sandbox"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use: wall-clock seconds, bytes of memory and per file, and the engine's own memory in GiB."""

    seconds: int = 4 * 3600
    memory_bytes: int = 16 << 30
    file_bytes: int = 64 << 30
    engine_gib: float = 4.0


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """What came out: checked requests, checked derived frames by name, all parameters, and how it was confined."""

    requests: tuple[OutputRequest, ...]
    derived: Mapping[str, Path]
    parameters: Mapping[str, ParameterValue]
    confined_by: Confinement
    seconds: float


def run_analysis(
    *,
    module: str,
    version: int,
    parameters: Mapping[str, ParameterValue],
    inputs: Mapping[str, Path],
    declared: Declared | None,
    classifications: Mapping[str, Classification],
    out: Path,
    engine: EngineName,
    threads: int,
    scratch: Path,
    policy: SandboxPolicy,
    code_root: Path,
    digests: Mapping[str, str] | None = None,
    limits: Limits | None = None,
) -> SandboxResult:
    """Run ``analyses/<module>/v<version>.py`` of ``code_root`` on linked frames and write derived frames to ``out``.

    ``inputs`` are the linked files that the question may use and ``declared`` its columns per data set (None: the
    files are reduced already). ``out`` is replaced whole: ``<name>.parquet`` per derived frame and ``requests.json``;
    after an error it is as before. ``scratch`` must lie in protected storage. ``digests`` are the inputs' SHA-256,
    where known.

    Raises:
        SandboxViolation: the analysis tried to leave, ran too long or took too much; or there is no sandbox here.
        Refused: it asks for undeclared data, or returned anything but requests and the derived frames that they name.
        BadInput: it failed, or its parameters don't hold; NotReady: there is no such analysis or input.
    """
    started = time.monotonic()
    source = module_path(code_root, module, version)
    inspect_source(source)
    bwrap = _require_sandbox(policy)
    with _private_folder(scratch) as box:
        cell = _Cell(box, bwrap, code_root, source, limits or Limits())
        common: dict[str, object] = {"module": module, "version": version, "engine": engine, "threads": threads}
        asked = cell.start(common | {"phase": "ask", "parameters": dict(parameters)}, {})
        requests = parse_requests(asked.requests)
        rules = rules_of(requests)
        frames = open_inputs(asked.inputs, inputs)
        files = reduce_inputs(frames, declared, cell.folder("reduced"))
        order = {name: rule.record for name, rule in rules.items()}
        cell.start(common | {"phase": "derive", "parameters": asked.parameters, "order": order}, files)
        check_contents(cell.out, tuple(rules))
        manifest = _manifest(frames, digests or {}, f"{module}/v{version}")
        outlet = Outlet(cell.out, manifest, classifications, _roles(frames))
        derived = outlet.keep(out, requests, rules)
    seconds = time.monotonic() - started
    confined: Confinement = "bubblewrap" if bwrap else "landlock" if asked.landlock else "nothing"
    return SandboxResult(requests, derived, asked.parameters, confined, seconds)


def _require_sandbox(policy: SandboxPolicy) -> str | None:
    bwrap = bubblewrap.find_bubblewrap()
    if bwrap is None and policy == "required":
        raise SandboxViolation(
            "this machine has no sandbox (bubblewrap), so no analysis is run",
            next_step="apt-get install bubblewrap",
        )
    return bwrap


@contextlib.contextmanager
def _private_folder(scratch: Path) -> Iterator[Path]:
    """A folder for one run; after a kill, :func:`enclave.files.sweep_temporaries` knows it by its name."""
    with storage_errors("the sandbox's scratch folder"):
        scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".sandbox{TEMPORARY_MARK}", dir=scratch)).resolve()
    try:
        yield folder
    finally:
        remove_folder(folder)


class _Cell:
    """The private folder of one run and the two processes that are started in it."""

    def __init__(self, box: Path, bwrap: str | None, code_root: Path, source: Path, limits: Limits) -> None:
        self._box = box
        self._bwrap = bwrap
        self._source = source
        self._limits = limits
        self._code = {
            ANALYSES: code_root.resolve() / ANALYSES,
            "enclave": Path(enclave.__file__).resolve().parent,
            "pipeline": Path(pipeline.__file__).resolve().parent,
        }
        self.out = box / "out"

    def folder(self, name: str) -> Path:
        """A folder of this run, made when first asked for."""
        path = self._box / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def start(self, fields: dict[str, object], files: Mapping[str, Path]) -> Report:
        """Start the child on a job, wait for it, and return its report."""
        remove_folder(self.out)
        self.folder("out")
        self.folder("spill")
        command, variables = self._confined(fields, files) if self._bwrap else self._loose(fields, files)
        in_time = _wait(command, variables, self._box, self._limits.seconds)
        name = f"{self._source.parent.name}/{self._source.name}"
        return raise_unless_done(_read_report(self.out / REPORT_NAME), name, in_time=in_time)

    def _confined(self, fields: dict[str, object], files: Mapping[str, Path]) -> tuple[list[str], dict[str, str]]:
        inside = {name: bubblewrap.BOX / "in" / f"{name}.parquet" for name in files}
        job_file = self._write_job(
            fields | {"inputs": inside, "out": bubblewrap.BOX / "out", "spill": bubblewrap.BOX / "spill"},
            (bubblewrap.CODE, Path("/usr")),
        )
        mounts = bubblewrap.Mounts(
            read_only={
                **{bubblewrap.CODE / name: place for name, place in self._code.items()},
                **{inside[name]: path.resolve() for name, path in files.items()},
                **bubblewrap.account_files(self.folder("job")),
                bubblewrap.BOX / "job.json": job_file,
            },
            writable={bubblewrap.BOX / "out": self.out, bubblewrap.BOX / "spill": self.folder("spill")},
        )
        variables = bubblewrap.environment(bubblewrap.CODE, bubblewrap.BOX / "spill")
        command = bubblewrap.python_command(bubblewrap.BOX / "job.json")
        return bubblewrap.sandboxed_command(str(self._bwrap), mounts, command, variables), {}

    def _loose(self, fields: dict[str, object], files: Mapping[str, Path]) -> tuple[list[str], dict[str, str]]:
        """Without a sandbox, accepted by name in the project file: the same child, with the guard's messages only."""
        code = self.folder("code")
        for name, place in self._code.items():
            (code / name).unlink(missing_ok=True)
            (code / name).symlink_to(place)
        fields = fields | {"inputs": dict(files), "out": self.out, "spill": self.folder("spill")}
        job_file = self._write_job(fields, (code, *self._code.values(), Path("/usr")))
        return bubblewrap.python_command(job_file), bubblewrap.environment(code, self.folder("spill"))

    def _write_job(self, fields: dict[str, object], code: Sequence[Path]) -> Path:
        job = Job.model_validate(
            {
                "order": {},
                "readable": (*code, *bubblewrap.python_places()),
                "seconds": self._limits.seconds,
                "memory_bytes": self._limits.memory_bytes,
                "file_bytes": self._limits.file_bytes,
                "engine_gib": self._limits.engine_gib,
                **fields,
            }
        )
        path = self.folder("job") / "job.json"
        path.write_text(job.model_dump_json())
        return path


def _wait(command: Sequence[str], variables: Mapping[str, str], folder: Path, seconds: int) -> bool:
    """Run ``command`` silently; False when it had to be killed for running too long."""
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(
        command, env=variables, cwd=folder, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return True


def _read_report(path: Path) -> Report | None:
    """The report; None when there is none or it is not one."""
    try:
        if path.is_symlink() or path.stat().st_size > REPORT_BYTES:
            return None
        return Report.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _manifest(frames: Mapping[str, Frame[Linked]], digests: Mapping[str, str], made_by: str) -> FrameManifest:
    return FrameManifest(
        zone=Zone.RESULTS,
        name="derived",
        project=next((frame.manifest.project for frame in frames.values()), ""),
        columns=(),
        made_by=made_by,
        parents={name: digests.get(name) or frame.digest() for name, frame in frames.items()},
        retention_date=min(
            (f.manifest.retention_date for f in frames.values() if f.manifest.retention_date), default=""
        ),
    )


def _roles(frames: Mapping[str, Frame[Linked]]) -> dict[str, str]:
    """Key columns keep the role that they have in the linked data."""
    columns = [column for frame in frames.values() for column in frame.manifest.columns]
    return {column.name: column.role for column in columns if column.role.startswith("key")}
