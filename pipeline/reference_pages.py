"""Reference pages, made from the code and the configuration: commands, schemas, policies, requests, errors, files.

Pure: the same code and configuration give the same text. ``zicht docs`` writes them to ``docs/reference/``, where they
are committed; a test holds them against the code.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
import yaml
from pydantic import BaseModel
from typer.testing import CliRunner

from enclave import errors
from enclave.project import Project
from enclave.requests import REQUEST_TYPES
from output_control.policy import confidential_schema, policy_schema
from pseudonymise.clerk_report import Language
from pseudonymise.schema_pages import schema_page
from pseudonymise.schemas import DeliverySchema, load_schemas

MADE = "<!-- Made by `make docs`; change the code or the configuration instead. -->\n\n"
HELP_COLUMNS = "100"
CONFIDENTIAL = ".confidential"


def reference_pages(app: typer.Typer, configs: Path) -> Mapping[str, str]:
    """Text by path below ``docs/reference/``, sorted; ``configs`` holds ``schemas/`` and ``policies/``."""
    pages = {
        "cli.md": MADE + "\n".join(_commands(app)) + "\n",
        "errors.md": MADE + "\n".join(_errors()) + "\n",
        "requests.md": MADE + "\n".join(_requests()) + "\n",
        "project.schema.json": _json_schema(Project),
        "policy.schema.json": policy_schema(),
        "policy.confidential.schema.json": confidential_schema(),
        "delivery.schema.json": _json_schema(DeliverySchema),
    }
    for name, schema in load_schemas(configs / "schemas").items():
        for language in Language:
            pages[f"schemas/{name}.{language.value}.md"] = MADE + schema_page(schema, language)
    for file in sorted((configs / "policies").glob("*.yaml")):
        if CONFIDENTIAL not in file.name:
            policy = yaml.safe_load(file.read_text(encoding="utf-8"))
            pages[f"policies/{file.stem}.md"] = MADE + "\n".join(_policy(policy)) + "\n"
    return dict(sorted(pages.items()))


def command_paths(app: typer.Typer) -> tuple[tuple[str, ...], ...]:
    """The words of every command, such as ``("review", "list")``; groups are not commands."""
    from typer.main import get_command

    return tuple(_leaves(get_command(app), ()))


def _leaves(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words
        return
    for name in sorted(inner):
        yield from _leaves(inner[name], (*words, name))


def _commands(app: typer.Typer) -> Iterator[str]:
    runner = CliRunner(env={"COLUMNS": HELP_COLUMNS, "TERMINAL_WIDTH": HELP_COLUMNS, "NO_COLOR": "1", "TERM": "dumb"})
    yield "# The `zicht` command"
    yield "\nExit codes: [errors](errors.md). Every command ends by saying what comes next.\n"
    for words in command_paths(app):
        shown = runner.invoke(app, [*words, "--help"], prog_name="zicht").output
        yield f"## zicht {' '.join(words)}\n"
        yield "```text\n" + "\n".join(line.rstrip() for line in shown.strip().splitlines()) + "\n```\n"


def _errors() -> Iterator[str]:
    yield "# Errors and exit codes\n"
    yield "A message says what is wrong, where, and what to do next. It never holds a value of a record, an identifier"
    yield "or a key.\n"
    yield "| Exit code | Class | When |\n|--:|---|---|"
    yield "| 0 | – | done |"
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.EnclaveError)]
    for kind in sorted(kinds, key=lambda kind: kind.exit_code):
        yield f"| {kind.exit_code} | `{kind.__name__}` | {_sentence(kind)} |"
    yield "| 70 | – | A fault in Zicht itself: class and place are shown, no content. |"
    yield "| 130 | – | Stopped by the user; the same command goes on where it was. |"


def _requests() -> Iterator[str]:
    yield "# What an analysis may ask for\n"
    yield "Anything else is refused ([add an analysis](../how-to/add-an-analysis.md)).\n"
    for kind in REQUEST_TYPES:
        schema = kind.model_json_schema()
        yield f"## {kind.__name__}\n\n{inspect.getdoc(kind)}\n"
        yield from _fields(schema)
        for name, inner in sorted(schema.get("$defs", {}).items()):
            yield f"\n`{name}`: {' '.join(str(inner.get('description', '')).split())}\n"
            yield from _fields(inner)
        yield ""


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    yield "| Field | Type | Default |\n|---|---|---|"
    required = set(schema.get("required", ()))
    for name, field in schema["properties"].items():
        default = "required" if name in required else f"`{json.dumps(field.get('default'))}`"
        yield f"| `{name}` | {_type(field)} | {default} |"


def _type(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if "$ref" in field:
        return f"`{field['$ref'].rsplit('/', 1)[-1]}`"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}" + _range(field, "minItems", "maxItems")
    return str(field.get("type", "any")) + _range(field, "minimum", "maximum")


def _range(field: Mapping[str, Any], least: str, most: str) -> str:
    low, high = field.get(least), field.get(most)
    if low is None and high is None:
        return ""
    return f" ({'' if low is None else low}…{'' if high is None else high})"


def _policy(policy: Mapping[str, Any]) -> Iterator[str]:
    yield f"# Policy `{policy['profile']}`: {policy['title']}\n"
    yield "The public part. The parameters of the dominance rules are confidential, in the gate's zone; a release"
    yield "carries a salted commitment to them.\n"
    yield "| Rule | Value | Where it comes from |\n|---|---|---|"
    for name, rule in policy.items():
        if isinstance(rule, Mapping):
            yield from _sourced(name, rule)


def _sourced(name: str, rule: Mapping[str, Any]) -> Iterator[str]:
    if "value" in rule:
        yield f"| `{name}` | {_value(rule['value'])} | {rule['source']} |"
        return
    for inner, value in rule.items():
        yield from _sourced(f"{name}.{inner}", value)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        said = ((name, f"({_listed(inner)})" if isinstance(inner, list) else inner) for name, inner in value.items())
        return ", ".join(f"{name} {inner}" for name, inner in said)
    if isinstance(value, list):
        return "; ".join(map(_value, value)) if any(isinstance(each, Mapping) for each in value) else _listed(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values)) or "none"


def _sentence(kind: type) -> str:
    return (inspect.getdoc(kind) or "").split("\n\n", 1)[0].replace("\n", " ")


def _json_schema(model: type[BaseModel]) -> str:
    return json.dumps(model.model_json_schema(), indent=2, sort_keys=True) + "\n"
