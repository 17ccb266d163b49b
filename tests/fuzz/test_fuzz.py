"""Sound files pass, damaged ones end in a clear error. The long way: ``python -m tests.fuzz NAME --seconds 600``."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.command_targets import ALL_TARGETS
from tests.fuzz.targets import attempt

DAMAGES = 60
CHECKOUT = Path(__file__).resolve().parents[2]


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Bytes changed, cut out, doubled, or put in: what a bad line, a clumsy editor or an attacker leaves."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        at, length = int(rng.integers(0, len(data) + 1)), int(rng.integers(1, 40))
        match int(rng.integers(0, 5)):
            case 0:
                data[at : at + length] = b""
            case 1:
                data[at:at] = data[at : at + length] * int(rng.integers(1, 50))
            case 2:
                data[at : at + 1] = bytes([int(rng.integers(0, 256))])
            case 3:
                data[at:at] = rng.choice(
                    [b"[", b"{", b'"', b"\x00", b"\xff\xfe", b"-", b"9" * 400, b"1e999", b"&a *a\n"]
                )
            case _:
                data[at : at + length] = rng.bytes(length)
    return bytes(data)


@pytest.mark.parametrize("name", ALL_TARGETS)
def test_damaged_files_end_in_a_clear_error_or_are_read(name: str) -> None:
    rng = np.random.default_rng(list(ALL_TARGETS).index(name))
    for seed in ALL_TARGETS[name].seeds():
        attempt(ALL_TARGETS[name], seed)
        for _ in range(DAMAGES):
            attempt(ALL_TARGETS[name], damaged(seed, rng))


@pytest.mark.parametrize("name", ALL_TARGETS)
def test_a_sound_file_is_read(name: str, tmp_path: Path) -> None:
    """Else every damage to it would be refused for what is wrong with all."""
    ALL_TARGETS[name].run(ALL_TARGETS[name].seeds()[0], tmp_path)


READS = {
    "ElementTree.fromstring",
    "ast.parse",
    "csv.reader",
    "from_str",
    "json.loads",
    "load_pem_private_key",
    "load_workbook",
    "model_validate_json",
    "open_csv",
    "open_stream",
    "pq.ParquetFile",
    "pyrage.decrypt",
    "pyrage.decrypt_io",
    "pyreadstat.read_sav",
    "read_bytes",
    "read_fields",
    "read_small",
    "read_text",
    "read_yaml",
    "safe_load",
    "splitlines",
}
OWN = "reads what the office itself wrote and nobody else may write"
SHIPPED = "reads what came with Zicht"
SPLITS = "parts a text that this process made"
READERS = {
    "enclave/classifications.py": "classification",
    "enclave/data_keys.py": OWN,
    "enclave/encrypted_files.py": OWN,
    "enclave/engine/embedded.py": SPLITS,
    "enclave/frames.py": "frame",
    "enclave/journal.py": "journal",
    "enclave/project.py": "project",
    "enclave/requests.py": "requests",
    "enclave/signatures.py": "public-key",
    "enclave/yaml_files.py": "schema",
    "enclave/zones.py": OWN,
    "linkage/breakdown.py": OWN,
    "linkage/clerical_review.py": "verdicts",
    "linkage/encodings/files.py": "persons",
    "linkage/encodings/linkage_schema.py": "linkage-schema",
    "linkage/encodings/secret.py": "secret",
    "linkage/evidence.py": OWN,
    "linkage/inventory.py": OWN,
    "linkage/key_register.py": OWN,
    "linkage/memberships.py": OWN,
    "linkage/quality_html.py": SPLITS,
    "linkage/minimisation.py": "names-in-code",
    "linkage/sources.py": OWN,
    "linkage/splink_session.py": OWN,
    "linkage/training.py": OWN,
    "pipeline/commands/clerical_review.py": "verdicts",
    "pipeline/commands/delivery.py": "recipient",
    "pipeline/commands/journal.py": "journal-head",
    "pipeline/commands/options.py": "text",
    "pipeline/commands/protect.py": OWN,
    "pipeline/demo.py": OWN,
    "pipeline/expiry.py": OWN,
    "pipeline/ledger_units.py": OWN,
    "pipeline/linking.py": "names-in-code",
    "pipeline/office.py": "settings",
    "pipeline/office_setup.py": "people",
    "pipeline/reference_pages.py": SHIPPED,
    "pipeline/reproduction.py": OWN,
    "pipeline/research.py": OWN,
    "pipeline/review_page.py": OWN,
    "pipeline/rotation.py": OWN,
    "pipeline/sandbox/child.py": OWN,
    "pipeline/sandbox/run.py": "sandbox-report",
    "pipeline/sandbox/source.py": "analysis",
    "pseudonymise/age_keys.py": OWN,
    "pseudonymise/answered.py": OWN,
    "pseudonymise/answering.py": OWN,
    "pseudonymise/custody.py": OWN,
    "pseudonymise/formats/delimited.py": "csv",
    "pseudonymise/formats/spss.py": "sav",
    "pseudonymise/formats/workbook.py": "xlsx",
    "pseudonymise/formats/workbook_bounds.py": "xlsx",
    "pseudonymise/key_store.py": "key-store",
    "pseudonymise/manifest.py": "manifest",
    "pseudonymise/outbox.py": OWN,
    "pseudonymise/register_check.py": OWN,
    "pseudonymise/schemas.py": "schema",
    "pseudonymise/sealing.py": "sealed",
    "pseudonymise/sender.py": OWN,
    "pseudonymise/signed_statement.py": "receipt",
    "pseudonymise/withdrawal.py": "notice",
}


def test_every_module_of_the_way_in_and_every_command_that_parses_has_a_target_or_a_reason() -> None:
    found = {
        path.relative_to(CHECKOUT).as_posix()
        for room in ("enclave", "linkage", "pipeline", "pseudonymise")
        for path in (CHECKOUT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and {ast.unparse(node.func), ast.unparse(node.func).rpartition(".")[2]} & READS
    }
    assert found == set(READERS)
    assert set(READERS.values()) - {OWN, SHIPPED, SPLITS} <= set(ALL_TARGETS)


@pytest.mark.sweep
@pytest.mark.parametrize("name", ALL_TARGETS)
def test_no_input_found_by_following_the_code_crashes(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", name, "--seconds", "60"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
