"""The main job end to end on a synthetic country: what ``make run`` does.

Everybody is played by one operating-system user, and keys and project integers follow from the seed; neither is so in
an office. Releases are made by a process of their own, through the same command that the release service uses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from enclave.entropy import SeededEntropy
from enclave.errors import BadInput, EnclaveError, Refused
from enclave.files import write_bytes, write_text
from enclave.fingerprints import digest_code, digest_json
from enclave.project import AnalysisUse
from enclave.signatures import SigningKey
from enclave.zones import Zone
from output_control import review
from output_control.release.verify import verify_bundle
from output_control.review import shelf
from pipeline.commands.review import desk_of
from pipeline.custodian import Intake, open_desk
from pipeline.hand_in import in_inbox
from pipeline.office import ROSTER, SETTINGS, EngineName, Office, create_office, open_office, settings_for, utc_now
from pipeline.office_setup import is_set_up, new_personal_key, publish_roster, read_people, set_up
from pipeline.progress import Teller
from pipeline.research import ResearchDesk
from pipeline.runner import CODE_ROOT, Record

PROJECT = "ondermijning"
AUTHOR, CHECKERS = "r-anna", ("c-dirk", "c-els")
SERVICES = ("custodian", "root", "service")
TEXTS = {
    "doorsluishuizen": (
        "Homes that changed hands five times or more in twenty years, by area, type and value",
        "Counts of dwellings that existed from 1996 to 2016, by municipality and district, dwelling type and WOZ "
        "class, with and without five or more changes of owner; the Netherlands as reference. For the dashboard.",
        "Thresholds count owners, not dwellings; whether a home passed through is marked sensitive; nothing below "
        "district is asked for; the table is the only one of this population.",
    ),
    "hemp_risk": (
        "Risk factors of hemp farms in dwellings, 2012-2016: odds ratios and a tree",
        "Odds ratios of a clearance in a dwelling-year with standard errors clustered by neighbourhood, and a tree of "
        "at most four levels; for barrier models, not for the assessment of any address.",
        "No score or fitted value is asked for; every level and leaf holds many dwellings; counts are rounded; the "
        "protected unit is the dwelling.",
    ),
}


@dataclass(frozen=True, slots=True)
class Demo:
    """One demonstration: its folders, size and seed."""

    workspace: Path
    country: Path
    persons: int
    seed: int
    dirty: bool
    engine: EngineName
    threads: int
    teller: Teller
    only: str = ""

    def run(self) -> list[str]:
        """Do the whole job, from the country to verified bundles; returns the summary, under 25 lines.

        Run again, it goes on where it stopped and does again only what is out of date.
        """
        self._make_country()
        office = self._office()
        custodian = open_desk(office, self._passphrase("custodian"), self.teller)
        self._seal(office)
        intake = custodian.receive(in_inbox(custodian.office))
        self.teller.say("received", deliveries=len(intake.receipts), rows=intake.total("received"))
        for fault in intake.refused:
            self.teller.say(f"refused: {fault}")
        custodian.pseudonymise()
        self.teller.say("pseudonymised")
        linked = custodian.link().record
        self.teller.say("linked")
        desk = ResearchDesk(office, self.teller, actor="gate")
        bundles = [self._released(office, desk, use) for use in desk.uses(self.only or None)]
        office.journal.verify()
        return self._summary(office, intake, linked, bundles)

    def _make_country(self) -> None:
        from synthetic.country import make_country

        self._refuse_shared_folder()
        folder = self.country.resolve()
        stamp = folder.with_name(f"{folder.name}.made.json")
        made = digest_json([self.persons, self.seed, self.dirty, _synthetic_code()])
        owner = os.path.relpath(self.workspace.resolve(), self.country.parent.resolve())
        held, standing = _stamped(stamp)
        if self.country.is_dir() and standing == made:
            self.teller.say("country is there already")
            return
        if self.country.is_dir() and held != owner:
            raise BadInput(
                "another country lies here already, which this demonstration did not make; nothing was replaced",
                where=self.country.name,
                next_step="take the size and seed of that country, or a folder of its own: zicht demo --country FOLDER",
            )
        self._refuse_other_seed()
        write_text(stamp, json.dumps({"demo": owner, "made": ""}))
        with self.teller.bar("country") as tick:
            make_country(self.country, persons=self.persons, seed=self.seed, dirty=self.dirty, progress=tick)
        write_text(stamp, json.dumps({"demo": owner, "made": made}))
        self.teller.say("country made", persons=self.persons)

    def _refuse_shared_folder(self) -> None:
        """Making a country replaces its folder whole: nothing else may lie in it, and it in nothing of ours."""
        country, workspace = self.country.resolve(), self.workspace.resolve()
        if country == workspace or country in workspace.parents or workspace in country.parents:
            raise BadInput(
                "the country and the workspace lie in one another; nothing was made",
                where=self.country.name,
                next_step="name a folder of its own for the country: zicht demo --country FOLDER",
            )

    def _refuse_other_seed(self) -> None:
        """A workspace keeps its seed: its country must not be replaced before that is found."""
        if (self.workspace / SETTINGS).is_file() and open_office(self.workspace).settings.demo_seed != self.seed:
            raise BadInput(
                "this workspace was made with another seed; nothing was replaced",
                where=SETTINGS,
                next_step="take its seed, or another workspace with --workspace",
            )

    def _office(self) -> Office:
        settings = settings_for(
            self.workspace,
            self.country,
            CODE_ROOT / "configs",
            project=PROJECT,
            engine=self.engine,
            threads=self.threads,
            demo_seed=self.seed,
        )
        office = create_office(self.workspace, settings)
        if (office.workspace.root / ROSTER).is_file():
            return office
        entropy = SeededEntropy(self.seed)
        for name in (*SERVICES, AUTHOR, *CHECKERS):
            secret = entropy.draw(16, f"demo passphrase {name}").hex().encode()
            write_bytes(self._person(name) / "passphrase", secret, mode=0o600)
        if not is_set_up(office):
            self._set_up(office, entropy)
        self._roster(office, entropy)
        return office

    def _set_up(self, office: Office, entropy: SeededEntropy) -> None:
        example = office.configs / "policies" / f"{office.project.policy}.confidential.example.yaml"
        custodian, root, service = (self._passphrase(name) for name in SERVICES)
        set_up(
            office,
            custodian=custodian,
            root=root,
            service=service,
            entropy=entropy,
            confidential=example,
            now=utc_now(),
        )

    def _roster(self, office: Office, entropy: SeededEntropy) -> None:
        start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        lines = []
        for name in (AUTHOR, *CHECKERS):
            if not (self._person(name) / f"{name}.pem").exists():
                new_personal_key(self._person(name), self._passphrase(name), entropy, person=name)
            role = "researcher" if name == AUTHOR else "checker"
            lines.append(
                {
                    "id": name,
                    "role": role,
                    "public_key": f"{name}/{name}.pub",
                    "valid_from": start.isoformat(),
                    "valid_until": (start + timedelta(days=365)).isoformat(),
                    "projects": [PROJECT],
                }
            )
        people = self.workspace / "people" / "people.yaml"
        write_text(people, yaml.safe_dump(lines))
        publish_roster(office, read_people(people), root=self._passphrase("root"), serial=1, now=utc_now())

    def _seal(self, office: Office) -> None:
        """The suppliers' part: every file with its manifest, sealed to the enclave's key; one that is sealed stays."""
        from pseudonymise.delivery import seal
        from pseudonymise.manifest import TOKEN_BYTES, read_manifest

        recipient = office.public_key(f"seal-{PROJECT}.pub").read_text()
        inbox = office.workspace.path(Zone.INBOX)
        for file in sorted((self.country / "deliveries").glob("*/*.manifest.yaml")):
            manifest = read_manifest(file)
            token = SeededEntropy(self.seed).draw(TOKEN_BYTES, f"delivery {digest_json(manifest.as_json())}").hex()
            manifest = manifest.model_copy(update={"token": token})
            if not list(inbox.glob(f"{manifest.delivery_id}*")):
                seal(file.parent / manifest.file.name, manifest, recipient, inbox)

    def _released(self, office: Office, desk: ResearchDesk, use: AnalysisUse) -> Path | Refused:
        """Run, check, request, approve twice, release; what the gate refuses is told, not hidden."""
        try:
            desk.run(use)
            self.teller.say(f"{use.name} run")
            desk.check(use)
            self.teller.say(f"{use.name} checked")
        except Refused as error:
            self.teller.say(f"{use.name} refused")
            return error
        request = self._request(office, desk, use)
        bundle = self._release(request)
        verify_bundle(bundle, office.root_public, journal=office.journal)
        self.teller.say(f"{use.name} released and verified")
        return bundle

    def _request(self, office: Office, desk: ResearchDesk, use: AnalysisUse) -> str:
        title, context, controls = TEXTS[use.name]
        review_desk = desk_of(office)
        checked = shelf.take(desk.checked_path(use))
        name = review.draft(
            checked,
            project=PROJECT,
            author=AUTHOR,
            title=title,
            context=context,
            controls=controls,
            desk=review_desk,
        )
        if review.state(name, desk=review_desk).value == "draft":
            review.submit(name, author=AUTHOR, key=self._key(AUTHOR), desk=review_desk, now=utc_now())
        for checker in CHECKERS:
            if review.state(name, desk=review_desk).value in ("submitted", "approved by one"):
                approved = {decision.person for decision in review.show(name, desk=review_desk).decisions}
                if checker not in approved:
                    review.approve(name, person=checker, key=self._key(checker), desk=review_desk, now=utc_now())
        return name

    def _release(self, request: str) -> Path:
        """The release service, as a process of its own."""
        command = [sys.executable, "-m", "pipeline", "release", request, "--json", "--workspace", str(self.workspace)]
        command += ["--passphrase-file", str(self._person("service") / "passphrase")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            error = EnclaveError(f"the release service refused:\n{done.stderr.strip()}", where=request)
            error.exit_code = done.returncode
            raise error
        return Path(str(yaml.safe_load(done.stdout)["bundle"]))

    def _summary(self, office: Office, intake: Intake, linked: Record, bundles: Iterable[Path | Refused]) -> list[str]:
        rejected = [receipt for receipt in intake.receipts if not receipt.accepted]
        lines = [
            f"Zicht on a synthetic country of {self.persons} persons, seed {self.seed}",
            f"received      {intake.total('received')} rows in {len(intake.receipts)} sealed deliveries",
            f"accepted      {intake.total('accepted')} rows",
            f"quarantined   {intake.total('quarantined')} rows; {len(rejected)} deliveries rejected, "
            f"{len(intake.refused)} refused",
            "linked        " + ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in linked.counts.items()),
        ]
        for bundle in bundles:
            lines += _told(bundle)
        head = office.journal.head()
        lines += [
            f"journal       {head.sequence} entries, verified",
            "DEMO          keys and project integers follow from the seed, and one user plays everybody:",
            "              the lock between researcher and release service is off. Never so with real data.",
            f"look at       {self.workspace}/released, zicht status, zicht review list",
        ]
        return lines

    def _person(self, name: str) -> Path:
        return self.workspace / "people" / name

    def _passphrase(self, name: str) -> bytes:
        return (self._person(name) / "passphrase").read_bytes()

    def _key(self, name: str) -> SigningKey:
        return SigningKey.load(self._person(name) / f"{name}.pem", self._passphrase(name))


def _told(bundle: Path | Refused) -> list[str]:
    """The lines on one analysis: what was tabulated, hidden and released, or why not."""
    if isinstance(bundle, Refused):
        return ["refused       " + str(bundle).replace("\n", "\n              ")]
    lines = []
    for file in sorted((bundle / "evidence").rglob("*.json")):
        said = yaml.safe_load(file.read_text())
        if "cells" in said:
            cells = said["cells"]
            share = f"{cells['suppressed']} suppressed, {cells['published']} published, audit passed"
            lines.append(f"tabulated     {file.stem}: {cells['all']} cells, {share}")
        elif "kind" in said:
            lines.append(f"estimated     {file.stem}: {said['kind']}")
    return [*lines, f"released      {bundle.name}: verified"]


def _stamped(stamp: Path) -> tuple[str, str]:
    """The demonstration that a country was made for, and the digest of what made it; empty when that is not known."""
    try:
        said = json.loads(stamp.read_text())
        return str(said["demo"]), str(said["made"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", ""


def _synthetic_code() -> str:
    return digest_code([CODE_ROOT / "synthetic"])
