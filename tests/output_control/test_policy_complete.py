"""A policy lacks nothing and knows nothing more: whatever is left out, added or of another kind, it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from enclave.entropy import SeededEntropy
from enclave.errors import EnclaveError, Refused
from output_control.policy import load_policy, provision_confidential
from tests.output_control.gate_world import CONFIGS

PROFILES = ("acro", "cbs_income", "cbs_ra", "eurostat", "opensafely")
CHANGES = ("lacks", "empty", "another")
OPTIONAL = {("tables", "protections")}  # without it there is no other way to protect than by suppression


def places(part: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every field of a policy file, by its path."""
    for name, value in part.items() if isinstance(part, dict) else ():
        yield (*above, name)
        yield from places(value, (*above, name))


def loads(folder: Path, name: str, public: Any) -> None:
    """Read ``public`` as the profile's open part."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(public), encoding="utf-8")
    load_policy(path, folder / "gate")


def at(public: Any, place: tuple[str, ...]) -> Any:
    """What holds the field at ``place``."""
    for name in place[:-1]:
        public = public[name]
    return public


def changed(public: Any, place: tuple[str, ...], change: str) -> Any:
    """A copy that lacks the field, has it empty, or has one more beside it."""
    copy = deepcopy(public)
    holder = at(copy, place)
    if change == "lacks":
        del holder[place[-1]]
    else:
        holder[place[-1] if change == "empty" else "another"] = None
    return copy


@pytest.mark.parametrize(
    ("name", "every"), [("cbs_ra", 3), *(pytest.param(name, 1, marks=pytest.mark.sweep) for name in PROFILES)]
)
def test_a_profile_that_lacks_any_field_or_has_one_more_is_refused(tmp_path: Path, name: str, every: int) -> None:
    (tmp_path / "gate").mkdir(mode=0o700)
    policies = CONFIGS / "policies"
    provision_confidential(policies / f"{name}.confidential.example.yaml", tmp_path / "gate", SeededEntropy(1))
    public = yaml.safe_load((policies / f"{name}.yaml").read_text(encoding="utf-8"))
    loads(tmp_path, name, public)
    cases = [(place, change) for place in places(public) if place not in OPTIONAL for change in CHANGES]
    assert len(cases) > 200
    for place, change in cases[:: every + (every > 1)]:  # of three changes the fourth next: each comes round
        with pytest.raises(Refused, match="cannot be evaluated"):
            loads(tmp_path, name, changed(public, place, change))


@pytest.mark.parametrize("name", PROFILES)
def test_a_confidential_part_that_lacks_any_field_or_has_one_more_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "gate").mkdir(mode=0o700)
    example = CONFIGS / "policies" / f"{name}.confidential.example.yaml"
    hidden = provision_confidential(example, tmp_path / "gate", SeededEntropy(1))
    public = yaml.safe_load((CONFIGS / "policies" / f"{name}.yaml").read_text(encoding="utf-8"))
    text = hidden.read_text(encoding="utf-8")
    for field in yaml.safe_load(text):
        for change in ("lacks", "other"):
            part = yaml.safe_load(text)
            if change == "lacks":
                del part[field]
            else:
                part[f"{field}_"] = part[field]
            hidden.write_text(yaml.safe_dump(part), encoding="utf-8")
            hidden.chmod(0o600)
            with pytest.raises(EnclaveError, match="cannot be evaluated"):
                loads(tmp_path, name, public)
