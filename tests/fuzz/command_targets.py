"""What commands read of the people of the office: verdicts, people, settings, anchors, texts, analyses and reports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from linkage.clerical_review import parse_verdicts
from linkage.minimisation import names_in_code
from pipeline.commands.clerical_review import _text
from pipeline.commands.journal import _head_of
from pipeline.commands.options import read_text_option
from pipeline.office import SETTINGS, open_office
from pipeline.office_setup import read_people
from pipeline.sandbox.job import Outcome, Report
from pipeline.sandbox.run import _read_report
from pipeline.sandbox.source import inspect_source
from pseudonymise.sealing import parse_recipient
from tests.fuzz.office_targets import HEAD, OFFICE_TARGETS, a_receipt
from tests.fuzz.targets import CANARY, CONFIGS, Target, as_file, identity

SAMPLE = "0123456789ab"
PAIRS = 20


def verdicts(path: Path) -> object:
    """`zicht clerical-review --verdicts`; what is taken up are pairs of the sample and nothing else."""
    found = parse_verdicts(_text(path), SAMPLE, PAIRS)
    assert all(1 <= pair <= PAIRS for pair in found), "a pair that the sample has not"
    return found


def verdict_seeds() -> tuple[bytes, ...]:
    """By blanks, semicolons and commas; of another sample; of no pair."""
    return (
        f"sample {SAMPLE}\n1 yes\n2 no\n\n3 unsure\n".encode(),
        f"sample;{SAMPLE}\r\n4;yes\r\n5,no\r\n".encode(),
        f"sample {CANARY}\n1 yes\n".encode(),
        f"sample {SAMPLE}\n{CANARY} yes\n1 {CANARY}\n1 yes 2\n".encode(),
    )


def people_seeds() -> tuple[bytes, ...]:
    """One person, with the key beside the list."""
    person = {
        "id": "r-anna",
        "role": "researcher",
        "public_key": f"{CANARY}.pub",
        "valid_from": "2026-01-01",
        "valid_until": "2027-01-01",
        "projects": ["ondermijning"],
    }
    return (json.dumps([person], indent=1).encode(),)


def settings_seeds() -> tuple[bytes, ...]:
    """Of an office beside its configuration."""
    project = "ondermijning"
    said = {"project": project, "configs": str(CONFIGS), "registers": CANARY, "key_register": CANARY, "threads": 2}
    return (json.dumps(said, indent=1).encode(),)


def analysis_seeds() -> tuple[bytes, ...]:
    """One that is allowed, and one that reaches outside."""
    return (
        f'"""An analysis."""\n\nimport math\n\n\ndef run(inputs):\n    return [math.sqrt({CANARY})]\n'.encode(),
        f'import os\nopen("{CANARY}")\n'.encode(),
        f"import of_{CANARY}\nfrom .of_{CANARY} import it\n".encode(),
        b"-" * 100_000 + b"1",
        nested(),
    )


def nested() -> bytes:
    """Deeper than any reader of lists or of Python goes."""
    return b"[" * 100_000


def report_seeds() -> tuple[bytes, ...]:
    """What a sandboxed process says of itself."""
    report = Report(outcome=Outcome.STARTED, requests=f"[{CANARY}]", line=7, inputs=("homes",))
    return report.model_dump_json().encode(), Report(outcome=Outcome.RETURNED_RECORDS).model_dump_json().encode()


ALL_TARGETS: Mapping[str, Target] = {
    **OFFICE_TARGETS,
    "verdicts": Target(as_file("verdicts.txt", verdicts), verdict_seeds),
    "people": Target(as_file("people.yaml", read_people), people_seeds),
    "settings": Target(as_file(SETTINGS, lambda path: open_office(path.parent)), settings_seeds),
    "journal-head": Target(
        as_file("journal-head", _head_of),
        lambda: (
            json.dumps(HEAD.model_dump()).encode(),
            a_receipt().model_dump_json(indent=1).encode(),
            f'["{CANARY}"]'.encode(),
            nested(),
        ),
    ),
    "text": Target(as_file("context.txt", lambda path: read_text_option("", path)), lambda: (CANARY.encode(),)),
    "analysis": Target(as_file("v1.py", inspect_source), analysis_seeds),
    "names-in-code": Target(lambda content, _: names_in_code(content), analysis_seeds),
    "recipient": Target(
        lambda content, _: parse_recipient(content.decode(errors="replace")),
        lambda: (str(identity().to_public()).encode() + b"\n", CANARY.encode()),
    ),
    "sandbox-report": Target(as_file("report.json", _read_report), report_seeds),
}
