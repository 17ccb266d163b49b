"""From a child's report to an error of ours: sentences from a fixed list, line numbers, no content."""

from __future__ import annotations

from typing import NoReturn

from enclave.errors import BadInput, EnclaveError, NotReady, Refused, SandboxViolation, StorageFailed
from pipeline.sandbox.job import Outcome, Report

_REQUESTS_ONLY = "return the request objects of enclave.requests; records never leave"
_LAZY_ONLY = "derive returns a dict of lazy frames, one per derivation that a request names"

_ENDINGS: dict[Outcome, tuple[type[EnclaveError], str, str]] = {
    Outcome.STARTED: (
        SandboxViolation,
        "the analysis ended its process without a report; nothing was kept",
        "it must not end or kill itself; if it didn't, it took more memory or time than it may",
    ),
    Outcome.MEMORY: (
        SandboxViolation,
        "the analysis took more memory than it may",
        "derive lazily, or raise the limit",
    ),
    Outcome.EXITED: (SandboxViolation, "the analysis ended its own process; nothing was kept", ""),
    Outcome.STORAGE: (
        StorageFailed,
        "the disk is full, or the engine's memory does not suffice, while deriving; nothing was changed",
        "free space in the workspace, or give the engine more memory",
    ),
    Outcome.NO_MODULE: (NotReady, "the analysis is not in the sandbox", ""),
    Outcome.NOT_AN_ANALYSIS: (
        BadInput,
        "the module is no analysis",
        "define TITLE, INPUTS, PARAMETERS, derive and requests: see enclave/analysis.py",
    ),
    Outcome.PARAMETERS: (
        BadInput,
        "the project file gives a parameter that the analysis doesn't have, or of another type",
        "see PARAMETERS in the analysis",
    ),
    Outcome.RETURNED_RECORDS: (
        Refused,
        "the analysis returned a data frame of records; an analysis returns requests, and derives lazily",
        f"{_REQUESTS_ONLY}; {_LAZY_ONLY}",
    ),
    Outcome.RETURNED_OTHER: (
        Refused,
        "the analysis returned something of an unknown kind; an analysis returns requests, and derives lazily",
        f"{_REQUESTS_ONLY}; {_LAZY_ONLY}",
    ),
    Outcome.OTHER_FRAMES: (
        Refused,
        "the analysis returned derived frames other than those that its requests name; nothing was kept",
        _LAZY_ONLY,
    ),
    Outcome.COLUMN_TYPE: (
        Refused,
        "a derived frame has a column that holds neither whole numbers, decimal numbers nor codes",
        "cast flags to 0 and 1 and dates to codes of a classification",
    ),
}


def raise_unless_done(report: Report | None, name: str, *, in_time: bool) -> Report:
    """The report of a run that went well; ``name`` is the analysis' file for the message."""
    if not in_time:
        raise SandboxViolation(
            "the analysis ran longer than it may and was stopped; nothing was kept",
            where=name,
            next_step="look for a loop that doesn't end, or raise the limit",
        )
    if report is None:
        raise SandboxViolation(
            "the sandbox could not be set up, or its report was destroyed; nothing was kept",
            where=name,
            next_step="try: bwrap --unshare-all --ro-bind / / true",
        )
    if report.outcome is not Outcome.DONE:
        _raise(report, name)
    return report


def _raise(report: Report, name: str) -> NoReturn:
    place = f"{name}, line {report.line}" if report.line else name
    if report.outcome is Outcome.VIOLATION and report.attempt is not None:
        raise SandboxViolation(
            f"the analysis tried to {report.attempt.description()}; it was stopped and nothing was kept",
            where=place,
            next_step="an analysis uses its inputs and narwhals only",
        )
    if report.outcome in _ENDINGS:
        kind, what, next_step = _ENDINGS[report.outcome]
        raise kind(what, where=place, next_step=next_step)
    raise BadInput(
        f"the analysis failed ({report.error or 'an error of its own'})",
        where=place,
        next_step="run it on the synthetic country to see more; a column must be declared by the question to exist",
    )
