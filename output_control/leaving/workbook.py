"""Workbooks of plain sheets, known part by part; what their cells say is judged as the CSV file that it would be."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pyarrow as pa

from output_control.leaving import workbook_parts as plain
from output_control.leaving.archive import Beside, TooLarge, Unreadable, parts_of
from output_control.leaving.by_hand import faults_of_extent
from output_control.leaving.table import MOST_COLUMNS, MOST_ROWS, faults_of_columns, texts_of_rows
from output_control.leaving.text import faults_of_texts, hides_characters, in_lines, without_halves

Element = ElementTree.Element
_DECLARATION = re.compile(
    rb"^<\?xml version=[\"']1\.0[\"'](?: encoding=[\"'](?:UTF|utf)-8[\"'])?(?: standalone=[\"']yes[\"'])?\?>"
)
_NUMBER = re.compile(plain.NUMBER)
_PREFIX = {uri: prefix for prefix, uris in plain.PREFIXES.items() for uri in uris}
_BUILT_IN_DATES = {*range(14, 23), *range(45, 48)}
_BUILT_IN_TIMES = {*range(18, 23), *range(45, 48)}
_LAST_BUILT_IN = 49
_MOST_STYLES = 64
_SLACK = Decimal("0.001")
"""Of a second: as far as a day's part in binary is from whole seconds."""
_NARROWEST, _LOWEST = 2, 8
"""Width in characters and height in points below which a column or row is as good as hidden."""


class _NoPart(Exception):
    """A part is no XML, or holds what no plain part holds."""


def faults_of_workbook(content: bytes) -> Iterator[str]:
    """What a workbook holds beside plain sheets, and what its sheets tell."""
    try:
        parts = parts_of(content)
    except TooLarge:
        yield "unfolds to more than is looked into"
        return
    except Beside:
        yield "holds bytes or comments beside the parts of a workbook"
        return
    except Unreadable:
        yield "is not readable as a workbook"
        return
    unknown = [name for name in parts if _kind(name) is None and name != plain.THEME]
    named = [what for what, pattern in plain.OTHER_PARTS.items() if any(re.search(pattern, name) for name in unknown)]
    yield from (f"holds {what}" for what in named)
    if unknown and not named:
        yield f"holds {len(unknown)} part(s) that a plain workbook does not have"
    try:
        trees = {name: _read(part) for name, part in parts.items() if name not in unknown}
        yield from _faults_of_parts(trees)
    except (ElementTree.ParseError, _NoPart, KeyError, ValueError, ArithmeticError):
        yield "is not readable as a workbook of plain sheets: it may hold comments, or XML that no program writes"


def _kind(name: str) -> plain.Part | None:
    return next((part for pattern, part in plain.PARTS.items() if re.fullmatch(pattern, name)), None)


def _read(content: bytes) -> Element:
    """The part as a tree; nothing in it is passed over: no comment, instruction, document type, or foreign name."""
    said = _DECLARATION.sub(b"", content.replace(b'<?xml version="1.0"?>', b"", 1), count=1)
    if b"<!" in said or b"<?" in said or b"\0" in said:
        raise _NoPart
    reader = ElementTree.iterparse(io.BytesIO(said), ["start-ns", "end"])  # noqa: S314 - bounded, without a document type
    last: Element | None = None
    for event, item in reader:
        if event == "start-ns":
            if item[1] not in (*plain.PREFIXES.get(item[0], ()), *_DRAWN.get(item[0], ())):
                raise _NoPart
        else:
            last = item
    if last is None:
        raise _NoPart
    return last


_DRAWN = {"a": ("http://schemas.openxmlformats.org/drawingml/2006/main",)}


def _faults_of_parts(trees: Mapping[str, Element]) -> Iterator[str]:
    from openpyxl.styles.colors import COLOR_INDEX

    theme = trees.get(plain.THEME)
    if theme is not None and not _is_standard(theme):
        yield "holds a theme of its own"
    palette = [each.get("rgb") for each in _all(trees.get(plain.STYLES), "rgbColor")]
    if palette and palette != list(COLOR_INDEX[: len(palette)]):
        yield "holds colours of its own"
    for name in sorted(set(trees) - {plain.THEME}):
        sheet = re.fullmatch(plain.SHEET, name) is not None
        if not sheet:
            yield from _told(_unplain(name, trees[name]))
    sheets = _sheets(trees)
    book = trees[plain.BOOK]
    hidden = [at for at, sheet in enumerate(_all(book, "sheet"), start=1) if sheet.get("state", "visible") != "visible"]
    yield from (f"sheet {number} is hidden" for number in hidden)
    if {name for name in trees if re.fullmatch(plain.SHEET, name)} != set(sheets) or len(set(sheets)) < len(sheets):
        yield "holds sheets that it does not show"
    titles = [sheet.get("name", "") for sheet in _all(book, "sheet")]
    listed = [each.text or "" for each in _all(trees.get(plain.APP), "lpstr")]
    if not set(listed) <= {"Worksheets", *titles}:
        yield "names something else than its sheets in its properties"
    if hides_characters(" ".join(map(_unescaped, titles))):
        yield "names a sheet with characters that are not shown"
    yield from faults_of_texts(pa.array(without_halves([*map(_unescaped, titles), *titles]), pa.string()))
    yield from _faults_of_styles(trees.get(plain.STYLES))
    yield from _faults_of_numbering(trees)
    texts = _texts(trees.get(plain.STRINGS))
    used: set[int] = set()
    styles = _Styles.of(trees.get(plain.STYLES))
    said: list[list[str]] = []
    for number, name in enumerate(sheets, start=1):
        found = [*_told(_unplain(name, trees[name])), *_faults_of_sheet(trees[name], texts, used, styles, said)]
        yield from (f"sheet {number} {fault}" for fault in found)
    if len(said) > MOST_ROWS:
        yield f"holds more than {MOST_ROWS} rows in all its sheets: a person reads no more, and records are not listed"
    yield from faults_of_extent([*titles, *(cell for row in said for cell in row)])
    if len(used) < len(texts):
        yield f"holds {len(texts) - len(used)} text(s) that no cell shows"


def _is_standard(theme: Element) -> bool:
    """Whether it is the theme that programs write unasked, the office's own of 2007."""
    from openpyxl.writer.theme import theme_xml

    def canonical(said: str) -> str:
        return ElementTree.canonicalize(said, strip_text=True)

    return canonical(ElementTree.tostring(theme, encoding="unicode")) == canonical(
        ElementTree.tostring(ElementTree.fromstring(theme_xml), encoding="unicode")  # noqa: S314 - a constant of the library
    )


def _unplain(name: str, root: Element) -> Counter[str]:
    """What is not plain in a part -> how often."""
    kind = _kind(name)
    odd: Counter[str] = Counter()
    if kind is None:
        raise _NoPart
    stack = [("", root)]
    while stack:
        above, element = stack.pop()
        here = _name(element.tag, kind.namespace)
        known = kind.grammar.get(f"{above}/{here}")
        if known is None or (element.tail or "").strip():
            odd[here] += 1
            continue
        if re.fullmatch(known.get("", r"\s*"), element.text or "") is None:
            odd[here] += 1
        for attribute, value in element.attrib.items():
            said = _name(attribute, None)
            if re.fullmatch(known.get(said, "(?!)") if said else "(?!)", value) is None:
                odd[f"{here}@{said}"] += 1
        inside = Counter(_name(child.tag, kind.namespace) for child in element)
        odd += Counter({child: times - 1 for child, times in inside.items() if child not in plain.REPEATED})
        stack += [(here, child) for child in element]
    return odd


def _name(tag: str, namespace: str | None) -> str:
    """``prefix:name``, without a prefix in the part's own ``namespace``; attributes (None) have none of their own."""
    uri, brace, local = tag.rpartition("}")
    uri = uri[1:]
    if not brace:
        return local if namespace in (None, "") else f"?:{local}"
    if namespace and uri == namespace:
        return local
    return f"{_PREFIX.get(uri) or '?'}:{local}"


def _told(odd: Counter[str]) -> Iterator[str]:
    """The features by name; the names of the file's own making stay unsaid."""
    counted = {"f": "formula(s)", "definedName": "defined name(s)"}
    others = 0
    told: dict[str, None] = {}
    for what, times in odd.items():
        bare = what.split("@", maxsplit=1)[0]
        if what in counted:
            told[f"holds {times} {counted[what]}"] = None
        elif what.startswith(("cp:", "dc:", "dcterms:")):
            told["names its maker, title or keywords in its properties"] = None
        elif what in plain.FEATURES or bare in plain.FEATURES:
            told[f"holds {plain.FEATURES.get(what) or plain.FEATURES[bare]}: save only values"] = None
        else:
            others += times
    yield from told
    if others:
        yield f"holds {others} element(s) or value(s) that a plain workbook does not have: save only values"


def _all(root: Element | None, name: str) -> list[Element]:
    return [] if root is None else [each for each in root.iter() if each.tag.rpartition("}")[2] == name]


def _sheets(trees: Mapping[str, Element]) -> list[str]:
    """The parts of the sheets, as the workbook shows them."""
    where = {each.get("Id"): each.get("Target", "") for each in trees[plain.RELATIONS]}
    ids = [_value(sheet, "id") for sheet in _all(trees[plain.BOOK], "sheet")]
    return ["xl/" + where[each].removeprefix("/").removeprefix("xl/") for each in ids]


def _value(element: Element, local: str) -> str:
    return next(value for name, value in element.attrib.items() if name.endswith("}" + local))


def _texts(strings: Element | None) -> list[str]:
    return [] if strings is None else ["".join(each.itertext()) for each in strings]


@dataclass(frozen=True, slots=True)
class _Styles:
    """How many styles cells can have, and in which a number is shown as a day, or as one with its time."""

    number: int
    days: frozenset[int]
    timed: frozenset[int]

    @staticmethod
    def of(styles: Element | None) -> _Styles:
        formats = {each.get("numFmtId"): each.get("formatCode", "") for each in _all(styles, "numFmt")}
        days = {id_ for id_, code in formats.items() if re.fullmatch(plain.DATE_FORMAT, code)}
        timed = {id_ for id_ in days if re.search("[hs]", formats[id_])} | set(map(str, _BUILT_IN_TIMES))
        own = list(next(iter(_all(styles, "cellXfs")), ()))

        def those(of: set[str | None]) -> frozenset[int]:
            return frozenset(at for at, xf in enumerate(own) if xf.get("numFmtId") in of)

        return _Styles(len(own), those(days | set(map(str, _BUILT_IN_DATES))), those(timed))


def _faults_of_styles(styles: Element | None) -> Iterator[str]:
    """Styles that no cell could have, or the same twice: numbers of a person's own choice."""
    if styles is None:
        return
    own = {each.get("numFmtId", "") for each in _all(styles, "numFmt")}
    most = {"fontId": len(_all(styles, "font")), "fillId": len(_all(styles, "fill"))}
    most |= {"borderId": len(_all(styles, "border"))}
    bases = list(next(iter(_all(styles, "cellStyleXfs")), ()))
    for table in ("cellStyleXfs", "cellXfs"):
        xfs = list(next(iter(_all(styles, table)), ()))
        odd = [
            xf
            for xf in xfs
            if any(int(xf.get(name, "0")) >= number for name, number in most.items())
            or int(xf.get("xfId", "0")) >= max(len(bases), 1)
            or (int(xf.get("numFmtId", "0")) > _LAST_BUILT_IN and xf.get("numFmtId") not in own)
        ]
        if odd or len(xfs) > _MOST_STYLES or _repeats(xfs):
            yield "holds styles that no cell can have, or the same twice"
    for name in ("font", "fill", "border", "numFmt"):
        found = _all(styles, name)
        if len(found) > _MOST_STYLES or _repeats(found):
            yield f"holds more than {_MOST_STYLES} kinds of {name}, or the same twice"


def _repeats(elements: list[Element]) -> bool:
    return len({ElementTree.canonicalize(ElementTree.tostring(each)) for each in elements}) < len(elements)


def _faults_of_numbering(trees: Mapping[str, Element]) -> Iterator[str]:
    """Numbers of parts and sheets that do not count from 1 on, as programs count."""
    for name, tree in sorted(trees.items()):
        if name.endswith(".rels"):
            ids = [each.get("Id", "") for each in tree]
            if sorted(ids) != sorted(f"rId{at}" for at in range(1, len(ids) + 1)) or len(
                {each.get("Target") for each in tree}
            ) < len(ids):
                yield "refers to its parts by numbers that no program gives"
    sheets = [int(sheet.get("sheetId", "0")) for sheet in _all(trees[plain.BOOK], "sheet")]
    if sheets != list(range(1, len(sheets) + 1)):
        yield "numbers its sheets as no program does"


def _faults_of_sheet(
    sheet: Element, texts: list[str], used: set[int], styles: _Styles, said: list[list[str]]
) -> Iterator[str]:
    """What is wrong with a sheet; its rows are added to ``said``."""
    for what, local, size, least in (("column", "col", "width", _NARROWEST), ("row", "row", "ht", _LOWEST)):
        given = _all(sheet, local)
        hidden = sum(each.get("hidden") in ("1", "true") for each in given)
        if hidden:
            yield f"has {hidden} hidden {what}(s)"
        small = sum(float(each.get(size, least)) < least for each in given)
        if small:
            yield f"has {small} {what}(s) too small to be seen"
        if any(not _is_size(each.get(size, "1")) for each in given):
            yield f"has a {what} of a size that no program gives"
    usual = _all(sheet, "sheetFormatPr")
    if any(not _is_size(value) for each in usual for name, value in each.items() if name != "baseColWidth"):
        yield "has a usual size that no program gives"
    if any(float(each.get("defaultRowHeight", _LOWEST)) < _LOWEST for each in usual):
        yield "has rows too small to be seen"
    if any(float(each.get("defaultColWidth", _NARROWEST)) < _NARROWEST for each in usual):
        yield "has columns too small to be seen"
    rows: dict[int, list[str]] = {}
    last = 0
    for row in _all(sheet, "row"):
        number = int(row.attrib["r"])
        if number <= last or number > MOST_ROWS:
            yield f"holds rows out of order, or more than {MOST_ROWS}: a person reads no more"
            break
        last = number
        cells = _cells(row, number, texts, used, styles)
        if cells is None:
            yield f"holds cells out of order, cells of two values, or more than {MOST_COLUMNS} columns"
            break
        rows[number] = cells
    table = list(rows.values())
    said += table
    yield from _faults_of_places(sheet, rows, styles)
    if hides_characters(" ".join(cell for cells in table for cell in cells)):
        yield "holds characters that are not shown"
    yield from faults_of_texts(pa.array(texts_of_rows(table), pa.string()))
    yield from faults_of_columns(table)


def _faults_of_places(sheet: Element, rows: Mapping[int, list[str]], styles: _Styles) -> Iterator[str]:
    """Columns, spans, styles and merged cells that are not those of the cells there are."""
    wide = max(map(len, rows.values()), default=0)
    last, odd = 0, 0
    for column in _all(sheet, "col"):
        first, end = int(column.get("min", "0")), int(column.get("max", "0"))
        odd += not last < first <= end <= MOST_COLUMNS or int(column.get("style", "0")) >= max(styles.number, 1)
        last = end
    for row in _all(sheet, "row"):
        begin, _, until = row.get("spans", "1:1").partition(":")
        odd += not 1 <= int(begin) <= int(until) <= max(wide, 1) or int(row.get("s", "0")) >= max(styles.number, 1)
        odd += len(row) == 0 and len(row.attrib) > 1
    odd += sum(int(cell.get("s", "0")) >= max(styles.number, 1) for cell in _all(sheet, "c"))
    if odd:
        yield f"has {odd} column(s), row(s) or cell(s) of a place or style that there is not"
    areas = [each.attrib["ref"] for each in _all(sheet, "mergeCell")]
    if not all(_covers_nothing(area, rows, wide) for area in areas) or len(set(areas)) < len(areas):
        yield "holds merged cells that cover others, or none"


def _covers_nothing(area: str, rows: Mapping[int, list[str]], wide: int) -> bool:
    """Whether only the first cell of a merged area within the table says something."""
    from openpyxl.utils import range_boundaries

    left, top, right, bottom = (int(side or 0) for side in range_boundaries(area))
    if right > wide or bottom > max(rows, default=0) or (left, top) == (right, bottom):
        return False
    first = rows.get(top, [])[left - 1 : left] not in ([], [""])
    said = sum(cell != "" for row in range(top, bottom + 1) for cell in rows.get(row, [])[left - 1 : right])
    return said <= first


def _is_size(given: str) -> bool:
    """Programs give sizes in hundredths, or in parts of 256 of a character."""
    return round(float(given), 2) == float(given) or (float(given) * 256).is_integer()


def _cells(row: Element, number: int, texts: list[str], used: set[int], styles: _Styles) -> list[str] | None:
    """What the cells of a row say, from the first column on; None when they stand elsewhere, or do not show all
    that they hold."""
    said: list[str] = []
    for cell in row:
        letters = cell.attrib["r"].removesuffix(str(number))
        column = 0
        for letter in letters:
            column = 26 * column + (ord(letter) - 64)
        inside = [each.tag.rpartition("}")[2] for each in cell if not each.tag.endswith("}f")]
        shown = inside in ([], ["is"] if cell.get("t") == "inlineStr" else ["v"])
        if not letters.isalpha() or not len(said) < column <= MOST_COLUMNS or not shown:
            return None
        said += [""] * (column - 1 - len(said))
        said.append(_said(cell, texts, used, styles))
    return said


def _said(cell: Element, texts: list[str], used: set[int], styles: _Styles) -> str:
    value = "".join(cell.itertext())
    if cell.get("t") == "s":
        used.add(int(value))
        if int(value) < 0:
            raise _NoPart
        value = texts[int(value)] if int(value) < len(texts) else ""
    elif cell.get("t") != "inlineStr" and _NUMBER.fullmatch(value):
        number = Decimal(value)
        style = int(cell.get("s", "0"))
        if style in styles.days and 1 <= number < 100_000:
            day, part = date(1899, 12, 30) + timedelta(int(number)), number % 1
            if not part:
                return day.isoformat()
            seconds = round(part * 86_400)
            if style in styles.timed and abs(part * 86_400 - seconds) < _SLACK:
                return f"{day.isoformat()} {timedelta(seconds=seconds)}"
        return format(number, "f")
    return in_lines(_unescaped(value))


def _unescaped(text: str) -> str:
    """A workbook writes any character as its code between ``_x`` and ``_`` (ECMA-376, part 1, 22.4.2.4)."""
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda code: chr(int(code[1], 16)), text)
