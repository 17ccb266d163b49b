"""The runner: what ran on which inputs stands in the journal, and nothing runs again that need not.

A step's fingerprint is the digest of its inputs, code, parameters and environment. The journal is the run ledger: a
finished step is an entry with the fingerprint and the digests of what it wrote. The step is skipped when the last entry
has the same fingerprint and the files still have those digests. A file that differs from its entry stops the run:
somebody changed a zone.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from pathlib import Path

from enclave.errors import Tampered
from enclave.fingerprints import Json, digest_code, digest_environment, digest_file, digest_json
from enclave.journal import Journal

ACTION = "step finished"
_DELIVERIES = "deliveries"
CODE_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Step:
    """One unit of work: what it reads, which code it runs, and the function that writes its outputs.

    ``deliveries``: names of those whose records the outputs hold; journalled, since any of them may be withdrawn.
    """

    name: str
    inputs: Mapping[str, Path]
    code: tuple[str, ...]
    parameters: Mapping[str, Json]
    action: Callable[[], Mapping[str, Path]]
    counts: Callable[[], Mapping[str, Json]] = field(default=dict)
    deliveries: tuple[str, ...] = ()

    def code_places(self) -> list[Path]:
        """The folders and files under the code root whose sources count for this step."""
        return [CODE_ROOT / place for place in self.code]


@dataclass(frozen=True, slots=True)
class Record:
    """The journalled fact that a step finished."""

    step: str
    fingerprint: str
    outputs: Mapping[str, str]
    counts: Mapping[str, Json]
    time: str
    sequence: int
    deliveries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What :meth:`Runner.run` did: ran the step, or found it up to date."""

    record: Record
    ran: bool
    seconds: float


@functools.cache
def locked_distributions() -> tuple[str, ...]:
    """Names of all installed distributions: they are the locked environment, one as long as a process lives."""
    names = {dist.metadata["Name"] for dist in metadata.distributions()}
    return tuple(sorted(name for name in names if name and name != "zicht"))


@functools.cache
def _environment(distributions: tuple[str, ...]) -> str:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return digest_json([python, digest_environment(distributions)])


class Runner:
    """Runs steps of one workspace and remembers them in its journal."""

    def __init__(self, workspace_root: Path, journal: Journal, *, actor: str, clock: Callable[[], datetime]) -> None:
        self._root = workspace_root
        self._journal = journal
        self._actor = actor
        self._clock = clock
        self._records: dict[str, Record] = {}
        self._read_to = 0
        self._environment = _environment(locked_distributions())

    def records(self) -> Mapping[str, Record]:
        """The last record of every step."""
        for entry in self._journal.entries(after=self._read_to):
            self._read_to = entry.sequence
            if entry.action == ACTION:
                self._records[entry.subject] = _record(entry.subject, entry.details, entry.time, entry.sequence)
        return self._records

    def fingerprint(self, step: Step) -> str:
        """Digest of all that the step's result depends on.

        Raises:
            Tampered: an input lies in the workspace and differs from what the step that made it wrote.
        """
        made = self.made()
        inputs: dict[str, Json] = {}
        for label, path in sorted(step.inputs.items()):
            digest = digest_file(path)
            expected = made.get(self._relative(path))
            if expected is not None and expected != digest:
                raise _changed(self._relative(path))
            inputs[label] = digest
        return digest_json(
            {
                "step": step.name,
                "inputs": inputs,
                "code": digest_code(step.code_places()),
                "parameters": dict(step.parameters),
                "environment": self._environment,
                **_named(step),
            }
        )

    def run(self, step: Step, *, again: bool = False) -> Outcome:
        """Run ``step`` unless it is up to date (``again`` runs it anyway).

        Raises:
            Tampered: an output that the journal knows was changed by something else than a step.
        """
        fingerprint = self.fingerprint(step)
        last = self.records().get(step.name)
        if last and last.fingerprint == fingerprint and not again and self._intact(last):
            return Outcome(last, ran=False, seconds=0.0)
        started = time.monotonic()
        outputs = step.action()
        written: dict[str, Json] = {self._relative(path): digest_file(path) for path in outputs.values()}
        details: dict[str, Json] = {"fingerprint": fingerprint, "outputs": written, "counts": dict(step.counts())}
        details |= _named(step)
        self._journal.append(actor=self._actor, action=ACTION, subject=step.name, details=details, now=self._clock())
        return Outcome(self.records()[step.name], ran=True, seconds=time.monotonic() - started)

    def require_intact(self, record: Record) -> None:
        """Raise Tampered unless what a step wrote is as it was journalled, or gone."""
        self._intact(record)

    def _intact(self, record: Record) -> bool:
        """Whether all outputs are there as journalled; a changed one is an error, a missing one a reason to run."""
        paths = {name: self._root / name for name in record.outputs}
        if not all(path.is_file() for path in paths.values()):
            return False
        for name, path in paths.items():
            if digest_file(path) != record.outputs[name]:
                raise _changed(name)
        return True

    def made(self) -> dict[str, str]:
        """The digest of every file in the workspace that a step wrote, as it wrote it last."""
        ordered = sorted(self.records().values(), key=lambda record: record.sequence)
        return {name: digest for record in ordered for name, digest in record.outputs.items()}

    def _relative(self, path: Path) -> str:
        resolved = path.resolve()
        root = self._root.resolve()
        return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else resolved.as_posix()


def _record(step: str, details: Mapping[str, Json], when: str, sequence: int) -> Record:
    outputs = details.get("outputs")
    counts = details.get("counts")
    return Record(
        step,
        str(details.get("fingerprint")),
        {str(k): str(v) for k, v in outputs.items()} if isinstance(outputs, Mapping) else {},
        dict(counts) if isinstance(counts, Mapping) else {},
        when,
        sequence,
        deliveries_of(details),
    )


def deliveries_of(details: Mapping[str, Json]) -> tuple[str, ...]:
    """The deliveries that the journal entry of a finished step names."""
    listed = details.get(_DELIVERIES)
    return tuple(map(str, listed)) if isinstance(listed, list) else ()


def _named(step: Step) -> dict[str, Json]:
    return {_DELIVERIES: list(step.deliveries)} if step.deliveries else {}


def _changed(name: str) -> Tampered:
    return Tampered(
        "the bytes of this file differ from what the journal says was written",
        where=name,
        next_step="restore the file from its backup, or delete it and run the same command to make it again",
    )


def names(paths: Iterable[Path]) -> dict[str, Path]:
    """Paths keyed by their file names, which must differ."""
    return {path.name: path for path in paths}
