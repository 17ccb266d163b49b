"""Elements of the gate's figures as SVG text: same input, same bytes; no style sheet, script, font file or metadata."""

from __future__ import annotations

from html import escape

INK, FAINT = "#1a1a1a", "#b3b3b3"
FONT = "sans-serif"
# colours that people with any colour vision tell apart (Okabe & Ito 2008); the dashes tell lines apart without colour
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#1a1a1a", "#999999")
DASHES = ("none", "6 3", "2 2", "8 3 2 3", "4 4", "1 3", "10 4", "3 6")


def element(name: str, content: str = "", **attributes: str | float) -> str:
    """One element; ``_`` in an attribute's name stands for ``-``; numbers have at most two decimals."""
    given = "".join(f' {key.replace("_", "-")}="{escape(_value(value))}"' for key, value in attributes.items())
    return f"<{name}{given}>{content}</{name}>" if content else f"<{name}{given}/>"


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{round(value, 2) + 0.0:g}"


def words(text: str, x: float, y: float, *, size: int = 12, anchor: str = "start", turned: bool = False) -> str:
    """A line of text; ``turned`` reads from below upwards around its own place."""
    turn = {"transform": f"rotate(-90 {_value(x)} {_value(y)})"} if turned else {}
    return element(
        "text",
        escape(text, quote=False),
        x=x,
        y=y,
        font_family=FONT,
        font_size=size,
        text_anchor=anchor,
        fill=INK,
        **turn,
    )


def line(x1: float, y1: float, x2: float, y2: float, *, colour: str = INK, width: float = 1) -> str:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=width)


def path(points: list[tuple[float, float]], series: int) -> str:
    """A line through points, in the series' colour and dashes."""
    place = " L".join(f"{_value(x)} {_value(y)}" for x, y in points)
    colour, dash = COLOURS[series % len(COLOURS)], DASHES[series % len(DASHES)]
    return element("path", d=f"M{place}", fill="none", stroke=colour, stroke_width=2, stroke_dasharray=dash)


def document(name: str, title: str, description: str, parts: list[str], *, width: int, height: int) -> bytes:
    """The whole picture with its title and its alternative text, which a screen reader says."""
    head = [
        element("title", escape(title, quote=False), id=f"{name}-title"),
        element("desc", escape(description, quote=False), id=f"{name}-description"),
        element("rect", x=0, y=0, width=width, height=height, fill="#ffffff"),
    ]
    whole = element(
        "svg",
        "\n".join(["", *head, *parts, ""]),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"{name}-title {name}-description",
    )
    return f"{whole}\n".encode()
