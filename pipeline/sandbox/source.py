"""Reading an analysis before it runs: what it imports, and the built-in functions that reach outside."""

from __future__ import annotations

import ast
from pathlib import Path

from enclave.errors import BadInput, Fault, NotReady, SandboxViolation

ANALYSES = "analyses"
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
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 0
        raise BadInput(f"the analysis is not Python, line {line}", where=name) from None
    faults = [Fault(name, "sandbox", message, rows=(line,)) for line, message in sorted(_offences(tree))]
    if faults:
        listed = "; ".join(f"line {fault.rows[0]} {fault.message}" for fault in faults)
        raise SandboxViolation(
            f"the analysis reaches outside its sandbox: {listed}",
            where=name,
            next_step="an analysis uses narwhals, enclave.requests and arithmetic; data come in through `inputs`",
        )


def _offences(tree: ast.AST) -> set[tuple[int, str]]:
    found: set[tuple[int, str]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(node.lineno, f"imports {alias.name}") for alias in node.names if not may_import(alias.name)}
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0 and not may_import(node.module or ""):
                found.add((node.lineno, f"imports {node.module}"))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            found.add((node.lineno, f"calls {node.func.id}"))
    return found


def may_import(name: str, also: tuple[str, ...] = ()) -> bool:
    """Whether an analysis may import module ``name``."""
    return name in ALLOWED_MODULES or name in also or name.partition(".")[0] in (ANALYSES, "narwhals")
