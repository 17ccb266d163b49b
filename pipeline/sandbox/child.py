"""The process inside the sandbox: ``python -m pipeline.sandbox.child JOB.json``.

It runs one analysis in one of two phases. ``ask`` collects the requests in a sandbox without data, so that no title or
parameter of a request can depend on a value; ``derive`` sees the inputs and writes the derived frames. What it says, it
says in ``report.json``; standard output and error lead nowhere, since a traceback could hold values.
"""

from __future__ import annotations

import builtins
import importlib
import json
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from pydantic import BaseModel

from enclave.errors import StorageFailed
from pipeline.sandbox import guard, landlock
from pipeline.sandbox.job import (
    REPORT_BYTES,
    REPORT_NAME,
    Attempt,
    Ended,
    Job,
    Outcome,
    ParameterValue,
    Report,
    looks_tabular,
)
from pipeline.sandbox.source import ANALYSES

# Spark starts about a hundred threads; a fork bomb starts more.
_PROCESSES = 4096
_SYSTEM_READS = tuple(Path(place) for place in ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc", "/sys", "/dev"))
_JAVA_READS = tuple(Path(place) for place in ("/etc/passwd", "/etc/hosts", "/etc/nsswitch.conf"))
_SCALARS = (int, float, str, bool)


class Reporter:
    """Writes the report through a descriptor that was opened before the analysis was loaded."""

    def __init__(self, out: Path) -> None:
        self._handle = os.open(out / REPORT_NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self.landlock = False
        self._write(Report(outcome=Outcome.STARTED))

    def _write(self, report: Report) -> None:
        content = report.model_dump_json(exclude_defaults=True).encode()
        if len(content) > REPORT_BYTES:
            content = Report(outcome=Outcome.RETURNED_RECORDS).model_dump_json().encode()
        os.lseek(self._handle, 0, os.SEEK_SET)
        os.ftruncate(self._handle, 0)
        os.write(self._handle, content)

    def end(self, report: Report) -> NoReturn:
        """Write and leave at once: no exit handler, no thread, no ``finally`` of the analysis runs after this."""
        self._write(report.model_copy(update={"landlock": self.landlock}))
        os.fsync(self._handle)
        os._exit(0)


def main(job_file: Path) -> NoReturn:
    """Run the job and report."""
    job = Job.model_validate_json(job_file.read_bytes())
    reporter = Reporter(job.out)
    limit_resources(job)
    reporter.landlock = give_up_rights(job)
    source = source_of(job)
    if source is None:
        reporter.end(Report(outcome=Outcome.NO_MODULE))
    try:
        reporter.end(run(job, source, reporter))
    except Ended as ended:
        reporter.end(Report(outcome=ended.outcome))
    except MemoryError as error:
        reporter.end(Report(outcome=Outcome.MEMORY, line=line_of(error, source)))
    except (SystemExit, KeyboardInterrupt) as error:
        reporter.end(Report(outcome=Outcome.EXITED, line=line_of(error, source)))
    except StorageFailed:
        reporter.end(Report(outcome=Outcome.STORAGE))
    except BaseException as error:
        outcome = Outcome.MEMORY if type(error).__name__ == "OutOfMemoryException" else Outcome.FAILED
        reporter.end(Report(outcome=outcome, line=line_of(error, source), error=class_of(error)))


def run(job: Job, source: Path, reporter: Reporter) -> Report:
    """Load the analysis under guard and carry out the job's phase."""

    def violated(attempt: Attempt, line: int) -> NoReturn:
        reporter.end(Report(outcome=Outcome.VIOLATION, attempt=attempt, line=line))

    if job.phase == "ask":
        guard.arm(source.parent.parent, job.readable, violated)
        return ask(job, load(job, source))
    from pipeline.sandbox.derive import derive, opened

    with opened(job) as engine:
        guard.arm(source.parent.parent, job.readable, violated)
        derive(job, load(job, source), engine)
        return Report(outcome=Outcome.DONE)


def limit_resources(job: Job) -> None:
    """Cap memory, file size and processor time of this process and of those that it starts, for good."""
    caps = {
        resource.RLIMIT_DATA: job.memory_bytes,
        resource.RLIMIT_FSIZE: job.file_bytes,
        resource.RLIMIT_CPU: job.seconds * (job.threads + 1),
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: _PROCESSES,
    }
    for kind, cap in caps.items():
        resource.setrlimit(kind, (cap, cap))


def give_up_rights(job: Job) -> bool:
    """Keep the rights that the job needs and no others; False when the kernel cannot take them away."""
    java = (*_JAVA_READS, *Path("/etc").glob("java-*"), *_java_home()) if job.engine == "spark" else ()
    readable = (*job.readable, *job.inputs.values(), *_SYSTEM_READS, *java)
    writable = (job.out, job.spill, Path("/dev/null"), Path("/dev/shm"))  # noqa: S108 - Java's own shared memory
    return landlock.restrict(readable=readable, writable=writable, network=job.engine == "spark")


def _java_home() -> tuple[Path, ...]:
    named = os.environ.get("JAVA_HOME")
    return (Path(named),) if named else ()


def source_of(job: Job) -> Path | None:
    """The analysis' file on this process' own search path."""
    places = (Path(entry) / ANALYSES / job.module / f"v{job.version}.py" for entry in sys.path if entry)
    return next((place for place in places if place.is_file()), None)


def load(job: Job, source: Path) -> ModuleType:
    """Import the analysis; :class:`Ended` when it lacks a part that every analysis has.

    The package is made here, over the folder of ``source``: no other ``analyses`` on the search path can stand in.
    """
    package = ModuleType(ANALYSES)
    package.__path__ = [str(source.parent.parent)]
    sys.modules[ANALYSES] = package
    module = importlib.import_module(f"{ANALYSES}.{job.module}.v{job.version}")
    if not all(hasattr(module, part) for part in ("TITLE", "INPUTS", "PARAMETERS", "derive", "requests")):
        raise Ended(Outcome.NOT_AN_ANALYSIS)
    return module


def ask(job: Job, module: ModuleType) -> Report:
    """The names of the inputs, all parameters, and the requests as JSON."""
    parameters = merged(dict(module.PARAMETERS), job.parameters)
    returned = module.requests(parameters)
    if not isinstance(returned, list | tuple):
        raise Ended(looks_tabular(returned))
    listed = [as_json(item) for item in returned]
    return Report(
        outcome=Outcome.DONE,
        inputs=tuple(str(name) for name in module.INPUTS),
        parameters=parameters,
        requests=json.dumps(listed),
    )


def merged(defaults: Mapping[str, Any], given: Mapping[str, ParameterValue]) -> dict[str, ParameterValue]:
    """Defaults overridden by what the project file gives; :class:`Ended` for an unknown name or another type."""
    fits = all(name in defaults and same_type(defaults[name], value) for name, value in given.items())
    if not fits or not all(isinstance(value, _SCALARS) for value in defaults.values()):
        raise Ended(Outcome.PARAMETERS)
    return {**defaults, **given}


def same_type(default: object, value: ParameterValue) -> bool:
    """Whether ``value`` can stand where ``default`` stood; a whole number may stand for a fraction."""
    return type(value) is type(default) or (isinstance(default, float) and type(value) is int)


def as_json(item: object) -> object:
    """A request as JSON; :class:`Ended` for anything that is none."""
    if isinstance(item, BaseModel):
        return item.model_dump(mode="json")
    if isinstance(item, dict):
        try:
            return json.loads(json.dumps(item))
        except (TypeError, ValueError):
            raise Ended(Outcome.RETURNED_OTHER) from None
    raise Ended(looks_tabular(item))


def line_of(error: BaseException, source: Path) -> int:
    """The last line of the analysis in the traceback; 0 when it isn't there."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(source):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def class_of(error: BaseException) -> str:
    """The error's class when a library made it; an analysis could write values into the names of its own classes."""
    kind = type(error)
    known = getattr(builtins, kind.__name__, None) is kind
    if known or kind.__module__.split(".")[0] in (
        "narwhals",
        "duckdb",
        "_duckdb",
        "pyspark",
        "pydantic_core",
        "enclave",
    ):
        return "".join(letter for letter in kind.__name__ if letter.isascii() and letter.isalpha())[:60]
    return ""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
