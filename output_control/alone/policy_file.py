"""A policy file given to `zicht protect`: what it changes for a table that stands alone, and what it cannot."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from enclave.errors import BadInput, KeyUnavailable, Refused
from enclave.yaml_files import NotYaml, read_fields
from output_control.policy import Policy, PublicPart, load_policy
from output_control.protection import Options
from output_control.tables.rules import MinimumFrequency, Rule
from output_control.tables.table import CellTable

APPLIED = "minimum frequency, count protection, empty cells known to be empty"
NOT_APPLIED = "group disclosure, the finest geography, the largest number of cells"


@dataclass(frozen=True, slots=True)
class UnderPolicy:
    """What a table is held to under a policy, and notes that say how far that is the policy."""

    rules: tuple[Rule, ...]
    options: Options
    notes: tuple[str, ...]


def under_policy(path: Path, table: CellTable, rules: tuple[Rule, ...], options: Options) -> UnderPolicy:
    """The rules and options of ``table`` under the policy at ``path``.

    Its minimum frequency and count protection replace those given, and empty cells are published as 0, as the gate
    does; dominance rules stay the instance's own, unless the policy's confidential part and salt lie beside it. Like
    the gate, these ask nothing of counts in which each unit counts once.

    Raises `BadInput` when the policy does not hold, or asks that counts be rounded, which is not done here.
    """
    public = _public_part(path)
    tables = public.tables
    if table.integral and tables.count_rounding.value.kind != "none":
        raise BadInput(
            "the policy publishes counts rounded, which zicht protect does not do",
            where=path.name,
            next_step="let the gate make this table (zicht check), or give a policy whose count_rounding is none",
        )
    whole = _whole(path)
    concentration: tuple[Rule, ...] = tuple(rule for rule in rules if not isinstance(rule, MinimumFrequency))
    if whole:
        own = whole.options()
        concentration = () if _counts_once(table) else whole.dominance_rules()
        options = replace(
            options,
            coalition=own.coalition,
            singleton_share=own.singleton_share,
            part_share=own.part_share,
            width_share=own.width_share,
        )
    asked = tables.singletons.value
    applied = APPLIED + (", singletons" if asked else "") + (", dominance rules" if whole else "")
    missing = NOT_APPLIED + ("" if whole else ", dominance rules (those of desc.json hold)")
    return UnderPolicy(
        (MinimumFrequency(tables.minimum_frequency.value), *concentration),
        replace(
            options,
            count_protection=tables.count_protection.value.protection(),
            singletons=options.singletons or asked,
            occupied=True,
        ),
        (f"of policy {public.profile} was applied: {applied}", f"of policy {public.profile} was not: {missing}"),
    )


def _counts_once(table: CellTable) -> bool:
    return table.integral and bool((table.freq == table.n_contributors).all())


def _whole(path: Path) -> Policy | None:
    """The policy with its confidential part, where that lies beside it."""
    if not path.with_name(f"{path.stem}.confidential.yaml").exists():
        return None
    try:
        return load_policy(path, path.parent)
    except (Refused, KeyUnavailable) as error:
        raise BadInput(error.what, where=error.where, next_step=error.next_step) from None


def _public_part(path: Path) -> PublicPart:
    try:
        return PublicPart.model_validate_json(json.dumps(read_fields(path.read_bytes())))
    except ValidationError as error:
        fields = ", ".join(".".join(str(part) for part in item["loc"]) or "file" for item in error.errors())
        raise BadInput(f"the policy cannot be evaluated: {fields}", where=path.name) from None
    except (OSError, NotYaml, TypeError):
        raise BadInput("the policy is not there or not readable as YAML", where=path.name) from None
