"""YAML that people write, read strictly: no key twice, no tags, no nesting and no repeating without end."""

from __future__ import annotations

from collections.abc import Hashable
from copy import deepcopy
from functools import lru_cache
from typing import Any

import yaml

DEEPEST = 50
_MERGE = "tag:yaml.org,2002:merge"
MOST_NODES = 100_000


class NotYaml(ValueError):
    """The text cannot be read; says why and on which line, and nothing of what stands there."""


class _Strict(yaml.SafeLoader):
    """Refuses what a later reader would see otherwise than its author, or what grows without end when it is read."""

    depth = 0

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _expanded(node, {})
        return node

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise NotYaml(f"nested more than {DEEPEST} deep")
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs give it no type
        if getattr(event, "tag", None) is not None:
            raise NotYaml(f"line {event.start_mark.line + 1}: a value must not say its own type (!…)")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            line = f"line {key.start_mark.line + 1}"
            if key.tag == _MERGE:
                raise NotYaml(f"{line}: another mapping cannot be taken in (<<): write its fields out")
            said = self.construct_object(key, deep=True)
            if not isinstance(said, Hashable):
                raise NotYaml(f"{line}: a list or mapping is no key")
            if said in seen:  # 1 and 0x1, yes and true: one key in two spellings
                raise NotYaml(f"{line}: the key stands twice")
            seen.add(said)
        return super().construct_mapping(node, deep)


def _expanded(node: yaml.Node, sizes: dict[int, int]) -> int:
    """How many values a node stands for, when what it refers to is written out."""
    if id(node) not in sizes:
        sizes[id(node)] = MOST_NODES  # what holds itself never ends
        inside = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = [part for each in inside for part in (each if isinstance(each, tuple) else (each,))]
        sizes[id(node)] = 1 + sum(_expanded(part, sizes) for part in parts)
    if sizes[id(node)] > MOST_NODES:
        raise NotYaml(f"it stands for more than {MOST_NODES:,} values")
    return sizes[id(node)]


def read_yaml(content: bytes | str) -> Any:
    """What the one document in ``content`` says.

    Raises:
        NotYaml: it is not readable, or is more than plain values, lists and mappings.
    """
    return deepcopy(_read(content))


@lru_cache(maxsize=64)  # a command reads the same schemas and classifications several times, and slowly
def _read(content: bytes | str) -> Any:
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
