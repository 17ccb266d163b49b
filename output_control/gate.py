"""The gate: requests in, a checked output out, or a refusal with all its reasons.

The gate trusts no number of an analysis. It has the derivation run again (``rederive``, in a fresh sandbox), computes
every figure itself with the evidence for it, applies the policy, and has an attacker written apart from the
suppressor try every hidden cell. Anything that it cannot judge is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from enclave.classifications import Classification
from enclave.engine import Engine
from enclave.errors import BadInput, EnclaveError, Refused
from enclave.fingerprints import Json, digest_json
from enclave.frames import Frame
from enclave.requests import OutputRequest, RegressionRequest, TableRequest, TransitionRequest, TreeRequest
from enclave.zones import Derived, Linked
from output_control.beside import beside_releases
from output_control.compared_columns import faults_of_columns
from output_control.differences import faults_of_differences
from output_control.distributions import distribution_contents
from output_control.dossier import Contents, Dossier, dossier
from output_control.leaving import faults_of_leaving
from output_control.leaving.words import faults_of_words
from output_control.ledger.book import identity
from output_control.ledger.history import History
from output_control.models.regression import fit_regression
from output_control.models.regression_contents import regression_contents
from output_control.models.tree import grow_tree
from output_control.models.tree_contents import tree_contents
from output_control.outputs import json_bytes
from output_control.policy import Policy
from output_control.sealed import CheckedOutput
from output_control.statistics.percentiles import gaps
from output_control.statistics.transition import as_table, with_transitions
from output_control.table_check import JudgedTable, held_together, judge_table
from output_control.tables.derived import Sources

INPUTS = "inputs"
Rederive = Callable[[], Mapping[str, Frame[Derived]]]


def check(
    analysis: str,
    version: int,
    requests: Sequence[OutputRequest],
    *,
    rederive: Rederive,
    linked: Mapping[str, Frame[Linked]],
    policy: Policy,
    classifications: Mapping[str, Classification],
    engine: Engine,
    made_with: Mapping[str, Json],
    protected_unit: str = "",
    source: bytes = b"",
    history: History | None = None,
    threads: int = 1,
) -> CheckedOutput:
    """Check all requests of one analysis version.

    ``engine`` must be allowed to read the linked and the derived frames. ``made_with`` says what code, parameters and
    environment made this (:mod:`output_control.release.provenance`); its digest is the output's fingerprint.
    ``protected_unit`` is the unit that the project file says every request must protect (empty: the researcher
    chooses). ``source`` is the derivation's code; it goes into the checkers' annex, for only a person sees whether a
    choice of categories carries data. ``history`` is what was released before; without it the output says that it was
    compared with nothing. Same input and history, same bytes, whatever ``threads``.

    Raises:
        Refused: every reason of every request at once; nothing is made when one of them fails.
    """
    faults = faults_of_requests(requests, policy, protected_unit)
    if faults:
        raise _refusal(analysis, faults)
    found = _Findings()
    listed = with_transitions(requests, classifications)
    gate = _Gate(Sources(engine, rederive(), linked), listed, policy, gaps(requests), threads)
    inputs = {name: frame.digest() for name, frame in sorted(linked.items())}
    fingerprint = digest_json(made_with)
    policy_document = policy.public_document()
    if history is not None:
        history = history.before(identity(analysis, version, fingerprint, inputs, policy_document))
    together = {
        each.name
        for each in requests
        if isinstance(each, TableRequest | TransitionRequest) and held_together(_as_table(each), policy)
    }
    n = policy.public.tables.minimum_frequency.value
    found.faults += faults_of_differences(requests, gate.sources, n, together=together)
    found.faults += faults_of_columns(requests, gate.sources, policy)
    judged: dict[str, JudgedTable | Contents] = {}
    for request in requests:
        try:
            judged[request.name] = gate.judge(request)
        except (Refused, BadInput) as error:
            found.refuse(request.name, error)
    if found.faults:
        raise _refusal(analysis, found.faults)
    try:
        contents, cells = beside_releases(
            judged, gate.sources, policy, history, made=fingerprint, inputs=inputs, threads=threads
        )
        if history is not None:
            history.must_repeat(cells)
    except (Refused, BadInput) as error:
        tables = [name for name, each in judged.items() if isinstance(each, JudgedTable)]
        found.refuse(", ".join(tables or judged), error)
        raise _refusal(analysis, found.faults) from None
    for content in contents:
        try:
            found.add(dossier(analysis, version, content))
        except (Refused, BadInput) as error:
            found.refuse(content.request.name, error)
    found.faults += faults_of_leaving({**found.outputs, **found.evidence})
    if found.faults:
        raise _refusal(analysis, found.faults)
    if source:
        found.annex[f"{analysis}/derivation-v{version}.py"] = source
    found.evidence[f"evidence/{analysis}/{INPUTS}.json"] = json_bytes(
        {
            "analysis": analysis,
            "version": version,
            "inputs": inputs,
            "fingerprint": fingerprint,
            "made_with": dict(made_with),
        }
    )
    return CheckedOutput(
        analysis=analysis,
        version=version,
        outputs=found.outputs,
        evidence=found.evidence,
        checker_annex=found.annex,
        policy_document=policy_document,
        inputs=inputs,
        fingerprint=fingerprint,
        advice=tuple(found.advice),
        researcher_files=found.researcher,
        released_cells=cells,
    )


def faults_of_requests(requests: Sequence[OutputRequest], policy: Policy, protected_unit: str = "") -> list[str]:
    """What can be said before anything is computed: kinds and names."""
    if not requests:
        return ["the analysis asks for no output"]
    faults = []
    names = [request.name for request in requests]
    if len(set(names)) < len(names):
        faults.append("two requests have the same name")
    if INPUTS in names:
        faults.append(f"a request may not be called {INPUTS}: the evidence has a file of that name")
    faults += [
        f"{request.name}: the project says that {protected_unit} is protected here, not {request.unit}"
        for request in requests
        if protected_unit and request.unit != protected_unit
    ]
    faults += [fault for request in requests for fault in faults_of_words(request)]
    allowed = policy.public.output_kinds.value
    faults += [
        f"{request.name}: outputs of kind {request.kind} need a person under policy {policy.public.profile}"
        for request in requests
        if request.kind not in allowed
    ]
    if "figure" not in allowed:
        faults += [f"{request.name}: figures need a person under this policy" for request in requests if request.figure]
    return faults


def _as_table(request: TableRequest | TransitionRequest) -> TableRequest:
    """The table that a request is."""
    return as_table(request) if isinstance(request, TransitionRequest) else request


@dataclass(slots=True)
class _Findings:
    outputs: dict[str, bytes] = field(default_factory=dict)
    evidence: dict[str, bytes] = field(default_factory=dict)
    annex: dict[str, bytes] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)
    researcher: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, dossier: Dossier) -> None:
        self.outputs |= dossier.outputs
        self.evidence |= dossier.evidence
        self.annex |= dossier.annex
        self.advice += dossier.advice
        self.researcher |= dossier.researcher

    def refuse(self, name: str, error: EnclaveError) -> None:
        self.faults += [f"{name}: {line}" for line in error.what.splitlines()]
        if error.next_step:
            self.faults.append(f"{name}: next, {error.next_step}")


@dataclass(frozen=True, slots=True)
class _Gate:
    """What every request is judged with."""

    sources: Sources
    classifications: Mapping[str, Classification]
    policy: Policy
    gaps: Mapping[str, int]
    threads: int

    def judge(self, request: OutputRequest) -> JudgedTable | Contents:
        if isinstance(request, TableRequest | TransitionRequest):
            table = _as_table(request)
            gap = self.gaps.get(request.name, 100)
            judged = judge_table(table, self.sources, self.classifications, self.policy, gap=gap, threads=self.threads)
            return replace(judged, asked=request)
        if isinstance(request, RegressionRequest):
            return regression_contents(fit_regression(request, self.sources, self.policy), self.policy)
        if isinstance(request, TreeRequest):
            return tree_contents(grow_tree(request, self.sources, self.policy), self.policy)
        return distribution_contents(request, self.sources, self.policy)


def _refusal(analysis: str, faults: list[str]) -> Refused:
    listed = "\n".join(f"  - {fault}" for fault in faults)
    return Refused(
        f"{len(faults)} reason(s) why nothing of {analysis} is released\n{listed}",
        where="output control",
        next_step="change the requests or the derivation, and run the analysis again",
    )
