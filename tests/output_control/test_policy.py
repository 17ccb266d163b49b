"""The policy is what the files say, or the gate stays shut."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from enclave.entropy import SeededEntropy
from enclave.errors import BadInput, KeyUnavailable, Refused
from enclave.fingerprints import canonical_json
from output_control.policy import (
    NOISE_FILE,
    SALT_FILE,
    ConfidentialPart,
    Policy,
    confidential_schema,
    load_policy,
    policy_schema,
    provision_confidential,
)
from output_control.protection import Exact, Range, Width
from output_control.tables.rules import Dominance, MinimumFrequency, PPercent
from tests.output_control.gate_world import CONFIGS, EXAMPLE, PUBLIC, policy_in

SECRET = 61.25  # a confidential k that stands in no other place


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    folder = tmp_path / "gate"
    folder.mkdir(mode=0o700)
    provision_confidential(EXAMPLE, folder, SeededEntropy(1))
    return folder


def hidden_file(gate: Path) -> Path:
    return gate / "cbs_ra.confidential.yaml"


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


def test_the_shipped_policy_holds_the_values_of_the_rule_of_thumb(gate: Path) -> None:
    policy = load_policy(PUBLIC, gate)
    assert policy.frequency_rule() == MinimumFrequency(10)
    assert policy.dominance_rules() == (Dominance(1, 50.0), PPercent(10.0))
    assert policy.options().count_protection == Width(3)
    assert policy.options().singletons
    models, tables = policy.public.models, policy.public.tables
    assert (tables.group_share.value, tables.finest_geography.value) == (0.9, "BU")
    assert (models.residual_df.value, models.level_units.value, models.leaf_units.value) == (10, 10, 50)


def test_every_value_of_the_shipped_policy_says_where_it_comes_from() -> None:
    public = yaml.safe_load(PUBLIC.read_text())
    entries = [public["output_kinds"], *public["tables"].values(), *public["models"].values()]
    assert all(len(entry["source"]) > 30 for entry in entries)


@pytest.mark.parametrize(
    ("name", "made"), [("policy.schema.json", policy_schema), ("confidential.schema.json", confidential_schema)]
)
def test_the_schema_files_are_those_that_the_code_generates(name: str, made: Callable[[], str]) -> None:
    shipped = (CONFIGS / "policies" / name).read_text()
    assert shipped == made(), f"write {made.__name__}() to configs/policies/{name}"


CONFIDENTIAL = yaml.safe_load(EXAMPLE.read_text())
SCHEMA = json.loads(confidential_schema())
DOMINANCE = {"dominance": [{"n": 1, "k": 50}], "p_percent": 10, "prior_posterior": {"p": 10, "q": 50}}
WITHOUT: dict[str, object] = {"dominance": [], "p_percent": None, "prior_posterior": None}


def holds(value: object, asked: dict[str, Any]) -> bool:
    """The two words of JSON Schema that the choice among dominance rules is made of."""
    if "minItems" in asked:
        return isinstance(value, list) and len(value) >= asked["minItems"]
    return isinstance(value, {"number": int | float, "object": dict}[asked["type"]])


@pytest.mark.parametrize("there", list(product([False, True], repeat=3)), ids=str)
def test_the_confidential_schema_asks_for_a_dominance_rule_just_as_the_gate_does(there: tuple[bool, ...]) -> None:
    part = CONFIDENTIAL | {
        name: (DOMINANCE if has else WITHOUT)[name] for name, has in zip(DOMINANCE, there, strict=True)
    }
    by_schema = any(
        all(holds(part[name], asked) for name, asked in way["properties"].items()) for way in SCHEMA["anyOf"]
    )
    try:
        ConfidentialPart.model_validate_json(json.dumps(part))
    except ValidationError:
        assert not by_schema
    else:
        assert by_schema


@pytest.mark.parametrize(
    "path", sorted((CONFIGS / "policies").glob("*.confidential.example.yaml")), ids=lambda p: p.stem
)
def test_the_confidential_examples_have_the_fields_of_the_schema(path: Path) -> None:
    assert set(yaml.safe_load(path.read_text())) == set(SCHEMA["required"]) == set(SCHEMA["properties"])
    assert SCHEMA["additionalProperties"] is False


@pytest.mark.parametrize(
    ("field", "least", "most"), [("p_coalition", 1, 2), ("singleton_share", 0, 1), ("magnitude_width_share", 0, 1)]
)
def test_the_confidential_schema_has_the_ranges_that_the_gate_holds_to(field: str, least: int, most: int) -> None:
    asked = SCHEMA["properties"][field]
    assert asked["maximum"] == most
    assert asked.get("minimum", asked.get("exclusiveMinimum")) == least
    below = least if "exclusiveMinimum" in asked else least - 1
    ConfidentialPart.model_validate_json(json.dumps({**CONFIDENTIAL, field: most}))
    for wrong in (below, most + 1):
        with pytest.raises(ValidationError):
            ConfidentialPart.model_validate_json(json.dumps({**CONFIDENTIAL, field: wrong}))


def test_the_confidential_schema_holds_no_value_of_a_policy() -> None:
    said = confidential_schema()
    assert "default" not in said
    assert "examples" not in said


@pytest.mark.parametrize(
    ("interval", "protection"),
    [({"kind": "exact"}, Exact()), ({"kind": "range"}, Range()), ({"kind": "width", "width": 5}, Width(5))],
)
def test_each_kind_of_count_protection_reaches_the_suppressor(
    tmp_path: Path, interval: dict[str, object], protection: object
) -> None:
    assert policy_in(tmp_path, count_protection=interval).options().count_protection == protection


@pytest.mark.parametrize("interval", [{"kind": "width"}, {"kind": "exact", "width": 3}, {"kind": "wide"}])
def test_a_width_without_its_kind_is_refused(tmp_path: Path, interval: dict[str, object]) -> None:
    with pytest.raises(Refused, match="count_protection"):
        policy_in(tmp_path, count_protection=interval)


def test_a_missing_public_part_is_refused(gate: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not there"):
        load_policy(tmp_path / "cbs_ra.yaml", gate)


def test_a_missing_confidential_part_is_a_missing_key(gate: Path) -> None:
    hidden_file(gate).unlink()
    with pytest.raises(KeyUnavailable, match="not readable here"):
        load_policy(PUBLIC, gate)


def test_a_missing_or_short_salt_is_a_missing_key(gate: Path) -> None:
    (gate / SALT_FILE).write_bytes(b"short")
    (gate / SALT_FILE).chmod(0o600)
    with pytest.raises(KeyUnavailable, match="too short"):
        load_policy(PUBLIC, gate)
    (gate / SALT_FILE).unlink()
    with pytest.raises(KeyUnavailable):
        load_policy(PUBLIC, gate)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_confidential_part_that_others_may_open_is_refused(gate: Path, mode: int) -> None:
    hidden_file(gate).chmod(mode)
    with pytest.raises(Refused, match="open to other users"):
        load_policy(PUBLIC, gate)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dominance": [{"n": 1, "k": SECRET, "z": 1}]}, "dominance.0.z"),
        ({"dominance": [{"n": 9, "k": SECRET}]}, "dominance.0.n"),
        ({"dominance": [{"n": 1, "k": 161.25}]}, "dominance.0.k"),
        ({"dominance": [{"n": 1}]}, "dominance.0.k"),
        ({"p_percent": str(SECRET)}, "p_percent"),
        ({"dominance": [], "p_percent": None}, "at least one dominance rule"),
        ({"pq": SECRET}, "pq"),
        ({"profile": "other"}, "different profiles"),
    ],
)
def test_a_confidential_part_that_cannot_be_evaluated_is_refused_without_its_values(
    gate: Path, changes: dict[str, object], field: str
) -> None:
    rewrite(hidden_file(gate), **changes)
    with pytest.raises(Refused) as caught:
        load_policy(PUBLIC, gate)
    assert field in str(caught.value)
    assert "61.25" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize("content", ["profile: [", "- 1", "''", "\tx"])
def test_a_file_that_is_no_policy_is_refused(gate: Path, content: str) -> None:
    hidden_file(gate).write_text(content)
    with pytest.raises(Refused):
        load_policy(PUBLIC, gate)


def test_every_fault_of_the_public_part_is_named_at_once(gate: Path, tmp_path: Path) -> None:
    public = yaml.safe_load(PUBLIC.read_text())
    del public["tables"]["minimum_frequency"]
    public["tables"]["group_share"]["value"] = 2
    public["models"]["leaf_units"].pop("source")
    public["extra"] = 1
    (tmp_path / "cbs_ra.yaml").write_text(yaml.safe_dump(public))
    with pytest.raises(Refused) as caught:
        load_policy(tmp_path / "cbs_ra.yaml", gate)
    for field in ("tables.minimum_frequency", "tables.group_share.value", "models.leaf_units.source", "extra"):
        assert field in str(caught.value)


def test_an_unknown_kind_of_output_in_the_policy_is_refused(tmp_path: Path) -> None:
    public = yaml.safe_load(PUBLIC.read_text())
    public["output_kinds"]["value"] = ["table", "records"]
    folder = tmp_path / "gate"
    folder.mkdir()
    provision_confidential(EXAMPLE, folder, SeededEntropy(1))
    (tmp_path / "cbs_ra.yaml").write_text(yaml.safe_dump(public))
    with pytest.raises(Refused, match="output_kinds"):
        load_policy(tmp_path / "cbs_ra.yaml", folder)


def test_the_public_document_commits_to_the_confidential_part_and_does_not_show_it(gate: Path) -> None:
    policy = load_policy(PUBLIC, gate)
    document = json.loads(policy.public_document())
    content = {
        "profile": "cbs_ra",
        "dominance": [{"n": 1, "k": 50.0}],
        "p_percent": 10.0,
        "p_coalition": 1,
        "singleton_share": 0.1,
        "part_share": 1.0,
        "magnitude_width_share": 0.01,
        "prior_posterior": None,
    }
    salt = (gate / SALT_FILE).read_bytes()
    expected = hashlib.sha256(b"zicht policy commitment\0" + salt + canonical_json(content)).hexdigest()
    assert document["confidential_part"]["commitment"] == expected
    assert document["policy"]["tables"]["minimum_frequency"]["value"] == 10
    assert "p_percent" not in policy.public_document().decode()
    assert load_policy(PUBLIC, gate).public_document() == policy.public_document()


def test_how_far_magnitudes_stay_open_is_the_policys_and_none_is_a_refusal(gate: Path) -> None:
    rewrite(hidden_file(gate), p_coalition=2, singleton_share=0.25, part_share=0.5, magnitude_width_share=0.05)
    asked = load_policy(PUBLIC, gate).options()
    assert (asked.coalition, asked.singleton_share, asked.part_share, asked.width_share) == (2, 0.25, 0.5, 0.05)
    whole = yaml.safe_load(hidden_file(gate).read_text())
    for name in ("singleton_share", "part_share", "magnitude_width_share"):
        hidden_file(gate).write_text(yaml.safe_dump({key: value for key, value in whole.items() if key != name}))
        with pytest.raises(Refused, match=name):
            load_policy(PUBLIC, gate)


def test_another_salt_or_another_parameter_gives_another_commitment(gate: Path) -> None:
    first = load_policy(PUBLIC, gate).commitment()
    rewrite(hidden_file(gate), p_percent=11)
    second = load_policy(PUBLIC, gate).commitment()
    (gate / SALT_FILE).write_bytes(bytes(32))
    third = load_policy(PUBLIC, gate).commitment()
    assert len({first, second, third}) == 3


def test_no_text_of_the_policy_object_shows_a_confidential_value(gate: Path) -> None:
    rewrite(hidden_file(gate), dominance=[{"n": 1, "k": SECRET}], p_percent=SECRET)
    policy = load_policy(PUBLIC, gate)
    for text in (repr(policy), str(policy), repr(policy.confidential), repr(policy.confidential.dominance)):
        assert "61.25" not in text


def test_two_parts_of_different_profiles_make_no_policy(gate: Path) -> None:
    policy = load_policy(PUBLIC, gate)
    other = policy.confidential.model_copy(update={"profile": "other"})
    with pytest.raises(ValueError, match="different profiles"):
        Policy(public=policy.public, confidential=other, salt=policy.salt)


def test_p_percent_may_be_absent(gate: Path) -> None:
    rewrite(hidden_file(gate), p_percent=None)
    assert load_policy(PUBLIC, gate).dominance_rules() == (Dominance(1, 50.0),)


def test_provisioning_writes_its_files_for_the_owner_alone_and_keeps_secrets_that_are_there(gate: Path) -> None:
    secrets = [(gate / name).read_bytes() for name in (SALT_FILE, NOISE_FILE)]
    provision_confidential(EXAMPLE, gate, SeededEntropy(2))
    assert [(gate / name).read_bytes() for name in (SALT_FILE, NOISE_FILE)] == secrets
    assert secrets[0] != secrets[1]
    assert {path.name: path.stat().st_mode & 0o777 for path in gate.iterdir()} == {
        "cbs_ra.confidential.yaml": 0o600,
        SALT_FILE: 0o600,
        NOISE_FILE: 0o600,
    }


def test_a_bad_example_is_not_provisioned(gate: Path, tmp_path: Path) -> None:
    bad = tmp_path / "other.confidential.example.yaml"
    with pytest.raises(BadInput, match="not readable"):
        provision_confidential(bad, gate, SeededEntropy(1))
    bad.write_text("profile: other\n")
    with pytest.raises(BadInput, match="dominance"):
        provision_confidential(bad, gate, SeededEntropy(1))
    assert not (gate / "other.confidential.yaml").exists()
