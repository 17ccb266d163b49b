"""Progress for people and machines: a bar on a terminal, plain lines elsewhere, JSON lines with ``--json``."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from enum import Enum

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from enclave.fingerprints import Json


class Style(Enum):
    """How to tell."""

    TERMINAL = "terminal"
    PLAIN = "plain"
    JSON = "json"


def style_for(*, as_json: bool) -> Style:
    """JSON when asked for; a bar when standard error is a terminal; else plain lines."""
    if as_json:
        return Style.JSON
    return Style.TERMINAL if sys.stderr.isatty() else Style.PLAIN


Tick = Callable[[str, int, int], None]


class Teller:
    """Says what is going on, on standard error; results go to standard output."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self._console = Console(stderr=True, highlight=False)
        self._started = time.monotonic()

    def say(self, event: str, **facts: Json) -> None:
        """One event, such as a finished step; facts are names and counts."""
        if self.style is Style.JSON:
            sys.stderr.write(json.dumps({"event": event, **facts}) + "\n")
        else:
            told = ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in facts.items())
            self._console.print(
                f"[{time.monotonic() - self._started:6.1f} s] {event}{': ' if told else ''}{told}", soft_wrap=True
            )

    @contextlib.contextmanager
    def bar(self, title: str) -> Iterator[Tick]:
        """A bar on a terminal; ``tick(what, done, of)`` moves it. Elsewhere nothing is drawn."""
        if self.style is not Style.TERMINAL:
            yield lambda what, done, of: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(title, total=None)

            def tick(what: str, done: int, of: int) -> None:
                progress.update(task, description=f"{title}: {what}", completed=done, total=of or None)

            yield tick
