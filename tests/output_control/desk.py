"""An office with five people, real keys from fixed seeds, a workspace on disk, and a small checked output."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from enclave.entropy import SeededEntropy
from enclave.journal import Journal
from enclave.signatures import SigningKey
from enclave.zones import Workspace, Zone
from output_control import release, review
from output_control.ledger.book import Book
from output_control.ledger.charter import Charter
from output_control.ledger.keys import LedgerKeys
from output_control.ledger.released import pack
from output_control.ledger.store import Ledger
from output_control.review.approvals import certify_release_key
from output_control.review.roster import Role, Roster, authorisation, read_roster, sign_roster
from output_control.sealed import CheckedOutput, Release

PROJECT = "zicht_demo"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
CONTEXT = "Number of pass-through homes per municipality and type of dwelling, all dwellings that existed in 2025."
CONTROLS = "Minimum frequency of ten units, dominance and group rules; two sparse municipalities were merged."
TABLE = (
    b'"region","value","OBS_STATUS","CONF_STATUS"\n'
    b'"NL",120,"A","F"\n"0001",,"Q","C"\n"0002",,"Q","C"\n"0003",80,"A","F"\n"0004",0,"A","F"\n'
)
METADATA = (
    b'{"@context":"http://www.w3.org/ns/csvw","url":"area.csv","tableSchema":{"primaryKey":["region"],"columns":['
    b'{"name":"region","datatype":"string"},{"name":"value","datatype":"integer"},'
    b'{"name":"OBS_STATUS","datatype":"string"},{"name":"CONF_STATUS","datatype":"string"}]}}\n'
)
CELLS = (
    b'"region","records","units","value","top1","lower","upper","status","reason"\n'
    b'"NL",120,120,120,1,,,"published",""\n"0001",7,7,7,1,0,40,"primary","frequency"\n'
    b'"0002",33,33,33,1,,,"secondary",""\n"0003",80,80,80,1,,,"published",""\n'
)
CHARTER = Charter(legal_basis="Wet op het Centraal bureau voor de statistiek, art. 37", years_kept=10)
EVIDENCE = {
    "kind": "table",
    "title": "Pass-through homes by municipality",
    "cells": {"all": 5, "published": 3, "published_zero": 1, "suppressed": 2},
    "checks": ["minimum frequency on distinct units"],
    "audit": {"passed": True},
}


def seed_key(number: int) -> SigningKey:
    """The signing key of a test person."""
    return SigningKey.from_seed(bytes([number]) * 32)


ROOT, SERVICE = seed_key(1), seed_key(2)
KEYS = {"p-author": seed_key(11), "p-first": seed_key(12), "p-second": seed_key(13), "p-third": seed_key(14)}
ROLES = {"p-author": Role.RESEARCHER, "p-first": Role.CHECKER, "p-second": Role.CHECKER, "p-third": Role.CHECKER}


def roster_lines() -> list[Any]:
    """The author and three checkers, all valid in 2026 on the project."""
    return [line(person, ROLES[person], KEYS[person]) for person in KEYS]


def line(person: str, role: Role, key: SigningKey, **changed: Any) -> Any:
    """One authorisation, valid in 2026 on the demo project unless ``changed``."""
    fields: dict[str, Any] = {"valid_from": START, "valid_until": END, "projects": [PROJECT], **changed}
    return authorisation(person, role, key.public, **fields)


def a_roster(lines: list[Any] | None = None, *, serial: int = 1) -> Roster:
    """A roster signed by the test office."""
    return read_roster(sign_roster(lines or roster_lines(), ROOT, serial=serial), ROOT.public)


def a_checked_output(**changed: Any) -> CheckedOutput:
    """What the gate could have made: one table with its metadata, its evidence, and an annex for checkers."""
    fields: dict[str, Any] = {
        "analysis": "v3",
        "version": 1,
        "outputs": {
            "outputs/v3/area.csv": TABLE,
            "outputs/v3/area.csv-metadata.json": METADATA,
        },
        "evidence": {
            "evidence/v3/area.json": json.dumps(EVIDENCE, sort_keys=True).encode(),
            "evidence/v3/inputs.json": b'{"inputs":{}}',
        },
        "checker_annex": {
            "annex/v3/area.cells.csv": CELLS,
            "annex/v3/area.json": b'{"method":"flow","suppressed_value":"CONFIDENTIAL-7"}',
        },
        "policy_document": b'{"name":"cbs_ra","commitment":"00"}\n',
        "inputs": {"dwellings": "d" * 64},
        "fingerprint": "f" * 64,
        "released_cells": pack([]),
        **changed,
    }
    return CheckedOutput(**fields)


@dataclass(slots=True)
class Office:
    """Everything that a test needs to ask for, decide on, and make a release."""

    root: Path
    roster: Roster = field(default_factory=a_roster)
    now: datetime = NOW

    @property
    def workspace(self) -> Workspace:
        """The workspace below the test's folder."""
        return Workspace(self.root)

    @property
    def journal(self) -> Journal:
        """Its journal."""
        return Journal(self.workspace.journal)

    @property
    def desk(self) -> review.Desk:
        """What review commands need."""
        return review.Desk(self.workspace, self.roster, self.journal)

    def open(self) -> Office:
        """Make the zones and certify the release key."""
        self.workspace.create()
        certificate = certify_release_key(SERVICE.public, ROOT, valid_from=START)
        gate = self.workspace.path(Zone.GATE)
        (gate / "release-key.json").write_bytes(certificate)
        Ledger(self.workspace.path(Zone.LEDGER), LedgerKeys.create(gate, SeededEntropy(5))).create()
        return self

    @property
    def book(self) -> Book:
        """The release ledger, opened anew."""
        keys = LedgerKeys.open(self.workspace.path(Zone.GATE))
        return Book(Ledger(self.workspace.path(Zone.LEDGER), keys), CHARTER)

    def later(self, **passed: float) -> datetime:
        """Let time pass (a minute, unless said otherwise) and return the new moment."""
        self.now += timedelta(**(passed or {"minutes": 1}))
        return self.now

    def draft(self, checked: CheckedOutput | None = None, **changed: Any) -> str:
        """A draft by the author."""
        texts = {"author": "p-author", "title": "Pass-through homes", "context": CONTEXT, "controls": CONTROLS}
        return review.draft(checked or a_checked_output(), project=PROJECT, **{**texts, **changed}, desk=self.desk)

    def submit(self, checked: CheckedOutput | None = None, **changed: Any) -> str:
        """A submitted request."""
        request = self.draft(checked, **changed)
        review.submit(request, author="p-author", key=KEYS["p-author"], desk=self.desk, now=self.later())
        return request

    def approve(self, request: str, *people: str) -> None:
        """Approvals, one after the other."""
        for person in people:
            review.approve(request, person=person, key=KEYS[person], desk=self.desk, now=self.later())

    def approved(self, checked: CheckedOutput | None = None) -> str:
        """A request with its two approvals."""
        request = self.submit(checked)
        self.approve(request, "p-first", "p-second")
        return request

    def release(self, request: str, recheck: Callable[[], CheckedOutput] = a_checked_output, **changed: Any) -> Release:
        """Release as the service."""
        fields: dict[str, Any] = {
            "workspace": self.workspace,
            "signing_key": SERVICE,
            "roster": self.roster,
            "root_public": ROOT.public,
            "book": self.book,
            "journal": self.journal,
            "now": self.later(),
            **changed,
        }
        return release.release(request, recheck=recheck, **fields)

    def actions(self, request: str) -> list[str]:
        """What the journal says was done to ``request``."""
        return [entry.action for entry in self.journal.entries() if entry.subject == request]


def contents(folder: Path) -> Mapping[str, bytes]:
    """Every file below ``folder``."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
