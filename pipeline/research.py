"""The researcher's run and the gate's check; each a step of the runner.

``run`` puts requests and derived frames into the results zone. ``check`` belongs to the gate: it believes none of that,
has the analysis run again in a fresh sandbox of its own, and keeps what it found in the gate's zone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from enclave.data_keys import DataKeys
from enclave.encrypted_files import DataKey, content_digest, decrypt_file, encrypt_file
from enclave.engine import open_engine
from enclave.engine.scratch import own_scratch, sweep
from enclave.errors import BadInput, NotReady, Refused, StorageFailed
from enclave.files import replacing_folder, write_bytes
from enclave.fingerprints import Json, code_files, digest_bytes, digest_environment, digest_json
from enclave.frames import Frame, open_frame
from enclave.project import AnalysisUse
from enclave.requests import OutputRequest, dump_requests, parse_requests
from enclave.zones import Derived, Linked, Zone
from output_control import gate
from output_control.gate_files import GateFiles
from output_control.ledger.book import identity, open_history
from output_control.ledger.history import History
from output_control.ledger.keys import LedgerKeys
from output_control.ledger.store import Ledger
from output_control.policy import Policy, load_policy
from output_control.review import shelf
from pipeline.ledger_units import MAP_FILE, UnitMap
from pipeline.lineage import withdrawn_since_linked
from pipeline.linking import STEP as LINK
from pipeline.office import CHECK_REFUSED, Office, utc_now
from pipeline.progress import Teller
from pipeline.runner import CODE_ROOT, Outcome, Runner, Step, locked_distributions
from pipeline.sandbox.derived import REQUESTS_NAME
from pipeline.sandbox.run import Limits, SandboxResult, run_analysis
from pipeline.withdrawn_rows import remove_withdrawn_rows

SANDBOX_CODE = ("enclave", "pipeline/sandbox")
GATE_CODE = (*SANDBOX_CODE, "output_control")
PROTECTION = "protection"


class ResearchDesk:
    """Runs and checks analyses of one installation."""

    def __init__(self, office: Office, teller: Teller, *, actor: str) -> None:
        self.office = office
        self.teller = teller
        self.runner = Runner(office.workspace.root, office.journal, actor=actor, clock=utc_now)

    def uses(self, name: str | None) -> tuple[AnalysisUse, ...]:
        """The analyses of the project, or the one called ``name``."""
        return (self.office.project.analysis(name),) if name else self.office.project.analyses

    def run(self, use: AnalysisUse, *, again: bool = False) -> Outcome:
        """Run an analysis in the sandbox, for its requests and derived frames.

        First removes what this user's runs left when they were killed, or derived from a delivery that was withdrawn.

        Raises:
            NotReady: the data are not linked, hold a withdrawn delivery, or were linked again while the analysis ran.
        """
        out = self._results(use)

        sweep(self.office.workspace.scratch)
        remove_withdrawn_rows(self.office)

        def action() -> Mapping[str, Path]:
            before = self.runner.records().get(LINK)
            with self._opened(use) as (folder, linked):
                result = self._sandboxed(use, linked, folder / "derived", folder / "sandbox")
                self._linked(use)
                if self.runner.records().get(LINK) != before:
                    raise NotReady(
                        "the data were linked again while the analysis ran", next_step=f"zicht run {use.name}"
                    )
                return self._kept(use, result, out)

        step = Step(
            f"run {_label(use)}", self._inputs(use), self._code(use, SANDBOX_CODE), self._parameters(use), action
        )
        return self.runner.run(step, again=again)

    def check(self, use: AnalysisUse, *, again: bool = False) -> Outcome:
        """Have the gate check what the analysis asks for, and keep the result in the gate's zone.

        Raises:
            NotReady: the analysis has not been run.
            Refused: with every reason why nothing of it can be released.
        """
        requests = self._results(use) / "requests.json"
        if not requests.is_file():
            raise NotReady(f"{use.name} has not been run", next_step=f"zicht run {use.name}")
        policy = self.policy()
        counts: dict[str, Json] = {}

        def action() -> Mapping[str, Path]:
            checked = self.checker(use, policy)()
            counts.update(outputs=len(checked.outputs), suppressed=suppressed_cells(checked.evidence))
            return {"checked": shelf.put(checked, self.checked_path(use))}

        inputs = {**self._inputs(use), "requests": requests, "policy": self._policy_file()}
        parameters = {**self._parameters(use), "policy": policy.commitment(), "ledger": self._ledger_state(use, policy)}
        parameters["noise"] = policy.noise_commitment()
        step = Step(f"check {_label(use)}", inputs, self._code(use, GATE_CODE), parameters, action, lambda: counts)
        try:
            return self.runner.run(step, again=again)
        except Refused as refusal:
            reasons = refusal.what.count("\n") or 1
            self.office.journal.append(
                actor="gate", action=CHECK_REFUSED, subject=_label(use), details={"reasons": reasons}, now=utc_now()
            )
            raise

    def hand_over(self, use: AnalysisUse, files: Mapping[str, bytes]) -> Path | None:
        """Put what the gate says to the author beside the results; None where this user may not write there."""
        folder = self._results(use) / PROTECTION
        try:
            for name, content in files.items():
                write_bytes(folder / Path(name).name, content, mode=0o644)
        except StorageFailed:
            return None
        return folder

    def checker(self, use: AnalysisUse, policy: Policy | None = None) -> shelf.Recheck:
        """A function that has the whole analysis run and checked anew, from the linked zone."""
        agreed = policy or self.policy()
        return lambda: self._checked(use, agreed)

    def _checked(self, use: AnalysisUse, policy: Policy) -> shelf.Checked:
        settings = self.office.settings
        with self._opened(use) as (scratch, plain):
            result = self._sandboxed(use, plain, scratch / "derived", scratch / "sandbox")
            linked = {name: open_frame(path, Linked) for name, path in plain.items()}
            readable = [*(frame.path for frame in linked.values()), *result.derived.values()]
            with open_engine(
                settings.engine,
                scratch=scratch / "engine",
                readable=readable,
                threads=settings.threads,
                memory_gib=settings.memory_gib,
            ) as engine:
                return gate.check(
                    use.name,
                    use.version,
                    result.requests,
                    rederive=lambda: _frames(result),
                    linked=linked,
                    policy=policy,
                    classifications=self.office.classifications(),
                    engine=engine,
                    made_with=self.made_with(use, result.requests),
                    source=(CODE_ROOT / "analyses" / use.name / f"v{use.version}.py").read_bytes(),
                    protected_unit=use.protects,
                    history=self.history(),
                    threads=settings.threads,
                )

    @contextmanager
    def _opened(self, use: AnalysisUse) -> Iterator[tuple[Path, dict[str, Path]]]:
        """A private folder that lasts as long as the run, and in it the data sets that the question may use, plain.

        What a killed run leaves there is removed by the next one.

        Raises:
            KeyUnavailable: a data set has reached its date, or its key was not handed out.
        """
        with own_scratch(self.office.workspace.scratch) as folder:
            (folder / "linked").mkdir()
            yield (
                folder,
                {
                    name: decrypt_file(path, self._key(name, path), folder / "linked" / path.name)
                    for name, path in self._linked(use).items()
                },
            )

    def _kept(self, use: AnalysisUse, result: SandboxResult, out: Path) -> dict[str, Path]:
        """Requests and derived frames in the results zone; these lie under the key of the set that goes first."""
        keys = [self._key(name, path) for name, path in self._linked(use).items()]
        key = min(keys, key=lambda key: (key.until, key.name))
        with replacing_folder(out) as folder:
            for name, path in result.derived.items():
                encrypt_file(path, key, folder / path.name, label=f"{Zone.RESULTS.value}/{_label(use)}/{name}")
            write_bytes(folder / REQUESTS_NAME, dump_requests(result.requests))
        return {"requests": out / REQUESTS_NAME, **{f"derived {n}": out / p.name for n, p in result.derived.items()}}

    def _key(self, data_set: str, path: Path) -> DataKey:
        keys = DataKeys(self.office.workspace.data_keys)
        return keys.key_of(path, project=self.office.project.name, data_set=data_set)

    def _sandboxed(self, use: AnalysisUse, linked: Mapping[str, Path], out: Path, scratch: Path) -> SandboxResult:
        settings, project = self.office.settings, self.office.project
        return run_analysis(
            module=use.name,
            version=use.version,
            parameters=use.parameters,
            inputs=linked,
            declared=project.questions[use.question].uses,
            classifications=self.office.classifications(),
            out=out,
            engine=settings.engine,
            threads=settings.threads,
            scratch=scratch,
            policy=project.sandbox,
            code_root=CODE_ROOT,
            limits=Limits(engine_gib=settings.memory_gib),
        )

    def made_with(self, use: AnalysisUse, requests: tuple[OutputRequest, ...]) -> dict[str, Json]:
        """Digests of the code, the parameters, the requests and the packages of a check; the same at any path."""
        return {
            "code": code_files([CODE_ROOT / place for place in self._code(use, GATE_CODE)], CODE_ROOT),
            "parameters": digest_json(self._parameters(use)),
            "requests": digest_bytes(dump_requests(requests)),
            "packages": digest_environment(locked_distributions()),
        }

    def policy(self) -> Policy:
        """The project's policy, both parts; of the gate's files none may have changed since they were accepted."""
        self.gate_files().check(utc_now())
        return self.policy_as_it_lies()

    def policy_as_it_lies(self) -> Policy:
        """The same, whether or not the gate's files are as accepted."""
        return load_policy(self._policy_file(), self.office.workspace.path(Zone.GATE))

    def gate_files(self) -> GateFiles:
        """The gate's own files; opens for its user alone."""
        return GateFiles(self.office.workspace.path(Zone.GATE), self.ledger(), self.office.journal)

    def ledger(self) -> Ledger:
        """The release ledger; opens for the gate's user alone."""
        return Ledger(self.office.workspace.path(Zone.LEDGER), LedgerKeys.open(self.office.workspace.path(Zone.GATE)))

    def history(self) -> History:
        """What was released before, whole and as the journal knows it.

        Raises:
            NotReady, Tampered, KeyUnavailable: the ledger cannot be read, so nothing can be checked.
        """
        ledger = self.ledger()
        units = UnitMap.open(self.linked_folder() / MAP_FILE, ledger.keys)
        return open_history(ledger, self.office.journal, units)

    def _ledger_state(self, use: AnalysisUse, policy: Policy) -> str:
        """Digest of the earlier releases that a check is made against: when they change, it is made again."""
        inputs = {n: content_digest(path, self._key(n, path)) for n, path in sorted(self._linked(use).items())}
        fingerprint = digest_json(self.made_with(use, self.requests(use)))
        same = identity(use.name, use.version, fingerprint, inputs, policy.public_document())
        return digest_json([entry.anchor.digest for entry in self.history().before(same).entries])

    def requests(self, use: AnalysisUse) -> tuple[OutputRequest, ...]:
        """What the last run asked for."""
        return parse_requests((self._results(use) / "requests.json").read_bytes())

    def checked_path(self, use: AnalysisUse) -> Path:
        """Where the gate keeps what it checked."""
        return self.office.workspace.path(Zone.GATE) / "checked" / f"{_label(use).replace(' ', '-')}.json"

    def linked_folder(self) -> Path:
        """The project's linked data sets."""
        return self.office.workspace.path(Zone.LINKED) / self.office.project.name

    def _linked(self, use: AnalysisUse) -> dict[str, Path]:
        gone = withdrawn_since_linked(self.office.journal)
        if gone:
            raise NotReady(
                "the linked data still hold a delivery that was withdrawn",
                where=gone[0],
                next_step="the custodian: zicht pseudonymise; zicht link",
            )
        names = self.office.project.questions[use.question].uses
        linked = {name: self.linked_folder() / f"{name}.parquet" for name in sorted(names)}
        if not linked:
            raise BadInput(f"question {use.question} uses no data set", next_step="name some in the project file")
        missing = [name for name, path in linked.items() if not path.is_file()]
        if missing:
            raise NotReady(f"{len(missing)} linked data sets are missing", next_step="zicht link")
        record = self.runner.records().get(LINK)
        if record is None or not record.deliveries:
            raise NotReady(
                "the journal does not say of which deliveries the linked data are: linking was broken off",
                next_step="the custodian: zicht link",
            )
        return linked

    def _inputs(self, use: AnalysisUse) -> dict[str, Path]:
        return {**self._linked(use), **self.office.classification_files()}

    def _code(self, use: AnalysisUse, common: tuple[str, ...]) -> tuple[str, ...]:
        methods = ("analyses/methods",) if (CODE_ROOT / "analyses/methods").is_dir() else ()
        return (*common, f"analyses/{use.name}", *methods)

    def _parameters(self, use: AnalysisUse) -> dict[str, Json]:
        uses = self.office.project.questions[use.question].uses
        declared: dict[str, Json] = {name: list(columns) for name, columns in uses.items()}
        return {
            "version": use.version,
            "parameters": dict(use.parameters),
            "protects": use.protects,
            "declared": declared,
            "engine": self.office.settings.engine,
        }

    def _results(self, use: AnalysisUse) -> Path:
        return self.office.workspace.path(Zone.RESULTS) / self.office.project.name / _label(use).replace(" ", "-")

    def _policy_file(self) -> Path:
        return self.office.configs / "policies" / f"{self.office.project.policy}.yaml"


def _frames(result: SandboxResult) -> dict[str, Frame[Derived]]:
    return {name: open_frame(path, Derived) for name, path in result.derived.items()}


def _label(use: AnalysisUse) -> str:
    return f"{use.name}-v{use.version}"


def suppressed_cells(evidence: Mapping[str, bytes]) -> int:
    """How many cells the tables of an output hide, by its evidence."""
    documents = (json.loads(content) for name, content in evidence.items() if name.endswith(".json"))
    return sum(document.get("cells", {}).get("suppressed", 0) for document in documents)
