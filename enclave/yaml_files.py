"""YAML that people write, read strictly: no key twice, no aliases, no tags, no nesting without end."""

from __future__ import annotations

from typing import Any

import yaml

DEEPEST = 50


class NotYaml(ValueError):
    """The text cannot be read; says why and on which line, and nothing of what stands there."""


class _Strict(yaml.SafeLoader):
    """Refuses what a later reader would see otherwise than its author, or what grows without end when it is read."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise NotYaml(f"line {self.peek_event().start_mark.line + 1} refers to another part by *")  # type: ignore[no-untyped-call]
        self.depth += 1
        if self.depth > DEEPEST:
            raise NotYaml(f"nested more than {DEEPEST} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise NotYaml(f"line {key.start_mark.line + 1}: the key stands twice")
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def read_yaml(content: bytes | str) -> Any:
    """What the one document in ``content`` says.

    Raises:
        NotYaml: it is not readable, or is more than plain values, lists and mappings.
    """
    try:
        return yaml.load(content, _Strict)  # noqa: S506 - a SafeLoader that allows less
    except NotYaml:
        raise
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise NotYaml(f"not readable as YAML{line}") from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, AttributeError, RecursionError):
        raise NotYaml("not readable as YAML") from None


def read_fields(content: bytes | str) -> dict[str, Any]:
    """As `read_yaml`, of a mapping whose keys are text.

    Raises:
        NotYaml: it is not readable, or no such mapping.
    """
    found = read_yaml(content)
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise NotYaml("not a mapping of names to values")
    return found
