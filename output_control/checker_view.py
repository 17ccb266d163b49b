"""What a checker sees of a request: its tables, the confidential annex beside them, texts and decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from enclave.fingerprints import Json
from output_control.cases import Case
from output_control.review_states import State


@dataclass(frozen=True, slots=True)
class DecisionView:
    """One earlier decision."""

    person: str
    action: str
    time: str
    remark: str


@dataclass(frozen=True, slots=True)
class View:
    """A request as its checkers see it; holds confidential values from the annex."""

    request: str
    state: State
    project: str
    analysis: str
    version: int
    author: str
    title: str
    context: str
    controls: str
    outputs: Mapping[str, bytes]
    evidence: Mapping[str, Json]
    annex: Mapping[str, bytes]
    decisions: tuple[DecisionView, ...]


def view(case: Case) -> View:
    """Read the request's files, checked against its digests.

    Raises:
        Tampered: a file is not the one that the author signed.
        StorageFailed: this user may not read the annex.
    """
    document = case.request.document
    return View(
        request=case.request.id,
        state=case.state,
        project=document.project,
        analysis=document.analysis,
        version=document.version,
        author=document.author,
        title=document.title,
        context=document.context,
        controls=document.controls,
        outputs=case.request.files("outputs"),
        evidence={name: json.loads(content) for name, content in case.request.files("evidence").items()},
        annex=case.request.files("annex"),
        decisions=tuple(
            DecisionView(
                d.signed.statement.person, d.signed.statement.action.value, d.entry.time, d.signed.statement.remark
            )
            for d in case.decisions
        ),
    )
