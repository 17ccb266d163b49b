"""Reading the documentation: pages, their example blocks, and how a page's examples run.

A fenced ``sh`` block under ``<!-- test -->`` (or ``<!-- test: exit N -->``) is run; a ``text`` block that follows shows
lines of its output, in order, where ``…`` stands for anything.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs"
BLOCK = re.compile(
    r"<!-- test(?:: exit (?P<code>\d+))? -->\n```sh\n(?P<script>.*?)```\n(?:```text\n(?P<shown>.*?)```\n)?", re.DOTALL
)
END = "--- end of block {} ---"


@dataclass(frozen=True)
class Example:
    """One block: its script, the exit code it must have, and the output lines that the page shows."""

    script: str
    code: int
    shown: tuple[str, ...]


def examples(page: Path) -> tuple[Example, ...]:
    """The tested blocks of a page."""
    return tuple(
        Example(found["script"], int(found["code"] or 0), tuple((found["shown"] or "").splitlines()))
        for found in BLOCK.finditer(page.read_text())
    )


def run_page(page: Path, folder: Path) -> list[str]:
    """Run a page's blocks in order in one shell; returns the output of each block.

    Raises:
        AssertionError: a block ends otherwise than the page says; with what was printed.
    """
    lines = ["set -eu"]
    for number, example in enumerate(examples(page), start=1):
        if example.code:
            lines += ["set +e", f"( set -e\n{example.script})", f"[ $? = {example.code} ] || exit 99", "set -e"]
        else:
            lines += [example.script]
        lines += [f"echo '{END.format(number)}'"]
    environment = os.environ | {"PATH": f"{CHECKOUT / '.venv/bin'}:{os.environ['PATH']}"}
    for name in ("ZICHT_WORKSPACE", "ZICHT_PASSPHRASE_FILE"):
        environment.pop(name, None)
    done = subprocess.run(
        ["/bin/sh", "-c", "\n".join(lines)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{page.name} ends with {done.returncode}:\n{done.stdout[-4000:]}"
    return re.split(r"--- end of block \d+ ---\n", done.stdout)


def missing_lines(shown: tuple[str, ...], output: str) -> list[str]:
    """Lines of ``shown`` that do not stand in ``output``, or not in this order."""
    rest = [line.rstrip() for line in output.splitlines()]
    missing = []
    for line in shown:
        pattern = re.compile(".*".join(re.escape(part) for part in line.rstrip().split("…")))
        position = next((at for at, said in enumerate(rest) if pattern.fullmatch(said)), None)
        if position is None:
            missing.append(line)
        else:
            rest = rest[position + 1 :]
    return missing
