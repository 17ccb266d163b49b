"""What goes into a sandbox and what is reported out of it: two small JSON files with a fixed vocabulary.

The report is written by a process that ran an analysis, so the parent trusts nothing in it: every field is a code from
a closed list, a name of a checked form, or a number.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from enclave.requests import Slug

EngineName = Literal["duckdb", "spark"]
ParameterValue = int | float | str | bool
REPORT_NAME = "report.json"
REPORT_BYTES = 4 << 20


class Attempt(Enum):
    """What an analysis tried that its sandbox forbids."""

    NETWORK = "network"
    FILE = "file"
    WRITE = "write"
    PROCESS = "process"
    MACHINE_CODE = "machine-code"
    PICKLE = "pickle"
    IMPORT = "import"

    def description(self) -> str:
        """Completes the sentence "the analysis tried to …"."""
        return _ATTEMPTS[self]


_ATTEMPTS = {
    Attempt.NETWORK: "use the network",
    Attempt.FILE: "read a file or folder that is not its input",
    Attempt.WRITE: "write, rename or remove a file",
    Attempt.PROCESS: "start or signal another process",
    Attempt.MACHINE_CODE: "call machine code (ctypes)",
    Attempt.PICKLE: "load pickled objects",
    Attempt.IMPORT: "import a module that analyses may not use",
}


class Outcome(Enum):
    """How a run in the sandbox ended."""

    STARTED = "started"
    DONE = "done"
    VIOLATION = "violation"
    FAILED = "failed"
    MEMORY = "out-of-memory"
    STORAGE = "storage"
    EXITED = "exited"
    NO_MODULE = "no-module"
    NOT_AN_ANALYSIS = "not-an-analysis"
    PARAMETERS = "parameters"
    RETURNED_RECORDS = "returned-records"
    RETURNED_OTHER = "returned-other"
    OTHER_FRAMES = "other-frames"
    COLUMN_TYPE = "column-type"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Job(_Model):
    """One start of the child. ``phase`` ``ask`` collects the requests and sees no data; ``derive`` sees the inputs."""

    phase: Literal["ask", "derive"]
    module: Slug
    version: int = Field(ge=1)
    parameters: dict[str, ParameterValue]
    inputs: dict[Slug, Path]
    order: dict[Slug, tuple[str, ...]]
    engine: EngineName
    threads: int = Field(ge=1, le=64)
    out: Path
    spill: Path
    readable: tuple[Path, ...]
    seconds: int = Field(ge=1)
    memory_bytes: int
    engine_gib: float
    file_bytes: int


class Report(_Model):
    """What the child says; ``requests`` is the JSON list that :func:`enclave.requests.parse_requests` reads."""

    outcome: Outcome
    landlock: bool = False
    line: int = Field(default=0, ge=0, lt=100_000)
    attempt: Attempt | None = None
    error: Annotated[str, Field(pattern=r"^[A-Za-z]{0,60}$")] = ""
    inputs: tuple[Slug, ...] = ()
    parameters: dict[Slug, ParameterValue] = {}
    requests: str = ""


class Ended(Exception):
    """The run in the sandbox is over."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__()


def looks_tabular(returned: object) -> Outcome:
    """Whether what an analysis returned in place of a request is a data frame or array, or something else."""
    tabular = any(hasattr(returned, part) for part in ("columns", "collect_schema", "schema", "dtype"))
    return Outcome.RETURNED_RECORDS if tabular else Outcome.RETURNED_OTHER
