"""Reading an analysis before it runs: what it imports, and the built-in functions that reach outside."""

from __future__ import annotations

import ast
from pathlib import Path

from enclave.errors import BadInput, Fault, NotReady, SandboxViolation
from enclave.long_numbers import holds_parted_number

ANALYSES, METHODS = "analyses", "methods"
_ARITHMETIC = ("bisect", "decimal", "fractions", "functools", "itertools", "math", "numbers", "operator", "statistics")
_LANGUAGE = ("__future__", "collections", "collections.abc", "dataclasses", "datetime", "enum", "string", "typing")
ALLOWED_MODULES = frozenset((*_ARITHMETIC, *_LANGUAGE, "enclave.analysis", "enclave.requests"))
FORBIDDEN_CALLS = frozenset(("open", "exec", "eval", "compile", "__import__", "input", "breakpoint"))


def module_path(code_root: Path, module: str, version: int) -> Path:
    """The file of ``analyses/<module>/v<version>.py``; raises :class:`NotReady` when there is none."""
    path = code_root / ANALYSES / module / f"v{version}.py"
    if not path.is_file():
        raise NotReady(
            f"there is no analysis {module} version {version}",
            next_step=f"write {ANALYSES}/{module}/v{version}.py, or name another version in the project file",
        )
    return path


def inspect_source(path: Path) -> None:
    """Refuse an analysis that imports what it may not, or that opens files or runs text; all faults at once.

    Raises:
        BadInput: not Python.
        SandboxViolation: forbidden imports or calls, with their line numbers.
    """
    name = f"{path.parent.name}/{path.name}"
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two: nested without end
        line = getattr(error, "lineno", None) or 0
        raise BadInput(f"the analysis is not Python, line {line}", where=name) from None
    faults = [
        Fault(name, "sandbox", message, rows=(line,)) for line, message in sorted(_offences(tree, path.parent.name))
    ]
    if faults:
        listed = "; ".join(f"line {fault.rows[0]} {fault.message}" for fault in faults)
        raise SandboxViolation(
            f"the analysis reaches outside its sandbox: {listed}",
            where=name,
            next_step="an analysis uses narwhals, enclave.requests and arithmetic; data come in through `inputs`",
        )


def _offences(tree: ast.AST, own: str) -> set[tuple[int, str]]:
    found: set[tuple[int, str]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if not may_import(alias.name, own)]
            found |= {(node.lineno, f"imports {_named(name)}") for name in names}
        elif isinstance(node, ast.ImportFrom):
            names = [name for name in _imported_from(node, own) if not may_import(name, own)]
            found |= {(node.lineno, f"imports {_named(name)}") for name in names}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            found.add((node.lineno, f"calls {node.func.id}"))
    return found


def _named(module: str) -> str:
    """The module, unless its name could be an identifier that somebody wrote where a module should stand."""
    return "a module with a long number in its name" if holds_parted_number(module) else module


def _imported_from(node: ast.ImportFrom, own: str) -> list[str]:
    """The modules, by their full names, that a ``from … import …`` may load."""
    if node.level == 0 and node.module != ANALYSES:
        return [node.module or ""]
    above = {0: "", 1: f"{ANALYSES}.{own}.", 2: f"{ANALYSES}."}.get(node.level, "..")
    if node.module == ANALYSES or not node.module:
        above = above or f"{ANALYSES}."
        return [f"{above}{alias.name}" for alias in node.names]
    return [f"{above}{node.module}"]


def may_import(name: str, own: str, also: tuple[str, ...] = ()) -> bool:
    """Whether the analysis ``own`` may import module ``name``.

    Of the analyses only its own and the shared methods: the fingerprint of a run covers these, and no other's code.
    """
    parts = name.split(".")
    if parts[0] == ANALYSES:
        return len(parts) > 1 and parts[1] in (own, METHODS)
    return name in ALLOWED_MODULES or name in also or parts[0] == "narwhals"
