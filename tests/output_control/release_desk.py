"""What tests of the release service share: where bundles stand, and an approved request."""

from __future__ import annotations

from pathlib import Path

import pytest

from enclave.zones import Zone
from output_control.sealed import CheckedOutput
from tests.output_control.desk import (
    Office,
)


def shelf(office: Office) -> Path:
    """Where the project's bundles stand."""
    return office.workspace.path(Zone.RELEASED) / "zicht_demo"


def bundles(office: Office) -> list[Path]:
    """Everything on the shelf, half-written things too."""
    return sorted(shelf(office).iterdir()) if shelf(office).is_dir() else []


def must_not_run() -> CheckedOutput:
    """A re-tabulation that nobody should have asked for."""
    pytest.fail("tabulated again without need")


def approved_office(place: Path) -> tuple[Office, str]:
    """An office with an approved request, as every killed run finds it."""
    office = Office(place).open()
    request = office.approved()
    office.later()
    return office, request
