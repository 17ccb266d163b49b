"""A policy file given to `zicht protect`: what it changes for a table that stands alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from enclave.errors import Refused
from enclave.yaml_files import NotYaml, read_fields
from output_control.policy import PublicPart, load_policy
from output_control.protection import Options
from output_control.tables.rules import MinimumFrequency, Rule


def rules_and_options(path: Path, rules: tuple[Rule, ...], options: Options) -> tuple[tuple[Rule, ...], Options]:
    """The rules and options under the policy at ``path``.

    Its minimum frequency and count protection replace those given; dominance rules stay the instance's own, unless the
    policy's confidential part lies beside it. Raises what `output_control.policy.load_policy` raises.
    """
    tables = _public_part(path).tables
    concentration: tuple[Rule, ...] = tuple(rule for rule in rules if not isinstance(rule, MinimumFrequency))
    if path.with_name(f"{path.stem}.confidential.yaml").exists():
        whole = load_policy(path, path.parent)
        concentration, own = whole.dominance_rules(), whole.options()
        options = replace(
            options,
            coalition=own.coalition,
            singleton_share=own.singleton_share,
            part_share=own.part_share,
            width_share=own.width_share,
        )
    return (
        (MinimumFrequency(tables.minimum_frequency.value), *concentration),
        replace(
            options,
            count_protection=tables.count_protection.value.protection(),
            singletons=options.singletons or tables.singletons.value,
        ),
    )


def _public_part(path: Path) -> PublicPart:
    try:
        return PublicPart.model_validate_json(json.dumps(read_fields(path.read_bytes())))
    except ValidationError as error:
        fields = ", ".join(".".join(str(part) for part in item["loc"]) or "file" for item in error.errors())
        raise Refused(f"the policy cannot be evaluated: {fields}", where=path.name) from None
    except (OSError, NotYaml, TypeError):
        raise Refused("the policy is not there or not readable as YAML", where=path.name) from None
