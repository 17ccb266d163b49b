"""The parts, elements and attributes of a plain workbook, each with the form of what it says; all else is refused.

Taken from what openpyxl and XlsxWriter write for a table (ECMA-376, part 1, 18): cells, widths, bold headings, borders,
plain number formats. What a program adds of its own (its folder, revisions, extensions) is not here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Grammar = Mapping[str, Mapping[str, str]]
"""``parent/element`` -> attribute -> the form of its value; the form of the text in it stands under ``""``."""

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
PREFIXES = {
    "": (MAIN, f"{_OFFICE}/extended-properties", f"{_PACKAGE}/content-types", f"{_PACKAGE}/relationships"),
    "r": (f"{_OFFICE}/relationships",),
    "cp": (f"{_PACKAGE}/metadata/core-properties",),
    "dc": ("http://purl.org/dc/elements/1.1/",),
    "dcterms": ("http://purl.org/dc/terms/",),
    "dcmitype": ("http://purl.org/dc/dcmitype/",),
    "xsi": ("http://www.w3.org/2001/XMLSchema-instance",),
    "vt": (f"{_OFFICE}/docPropsVTypes",),
    "xml": ("http://www.w3.org/XML/1998/namespace",),
}
_FLAG, _INDEX, _FEW = "0|1|true|false", "[0-9]{1,3}", "[0-9]"
_PLACE = "[A-Z]{1,2}[0-9]{1,3}"
_AREA = rf"{_PLACE}(?::{_PLACE})?"
_SIZE = r"[0-9]{1,3}(?:\.[0-9]{1,17})?"
_MARGIN = r"[0-2](?:\.[0-9]{1,2})?"
_ANY = r"(?s:.*)"
NUMBER = r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][-+]?[0-9]{1,2})?"
_FONTS = "Aptos|Aptos Narrow|Arial|Calibri|Cambria|Courier New|Liberation Sans|Times New Roman|Verdana"
_DAYS = r"(?:d{1,4}|m{1,3}|y{2}|y{4}|hh?|ss?)"
DATE_FORMAT = rf"{_DAYS}(?:(?:\\?[-/:. ]){_DAYS}){{0,5}}"
_FORMAT = rf"General|(?:#,##)?0(?:\.0{{1,10}})?(?:%|E\+00)?|{DATE_FORMAT}"
_TIME = r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z"
_INK = {"theme": "1", "rgb": "FF000000", "indexed": "8|64", "auto": "1"}
_XF = {
    **dict.fromkeys(("numFmtId", "fontId", "fillId", "borderId", "xfId"), _INDEX),
    **dict.fromkeys(("pivotButton", "quotePrefix"), "0"),
    **{f"apply{what}": _FLAG for what in ("NumberFormat", "Font", "Fill", "Border", "Alignment", "Protection")},
}
_ALIGNED = {"horizontal": "general|left|center|right", "vertical": "top|center|bottom", "wrapText": _FLAG}
_SIDES = ("left", "right", "top", "bottom", "diagonal")
_COUNTED = {"count": _INDEX}

_SHEET: Grammar = {
    "/worksheet": {},
    "worksheet/sheetPr": {},
    "sheetPr/outlinePr": {"summaryBelow": _FLAG, "summaryRight": _FLAG},
    "sheetPr/pageSetUpPr": {},
    "worksheet/dimension": {"ref": _AREA},
    "worksheet/sheetViews": {},
    "sheetViews/sheetView": {"workbookViewId": "0", "tabSelected": _FLAG, "showGridLines": _FLAG},
    "sheetView/pane": {
        "xSplit": _FEW, "ySplit": _FEW, "topLeftCell": _PLACE, "activePane": "[a-zA-Z]{7,11}", "state": "frozen",
    },
    "sheetView/selection": {"pane": "[a-zA-Z]{7,11}", "activeCell": _PLACE, "sqref": _AREA},
    "worksheet/sheetFormatPr": {"baseColWidth": _FEW, "defaultRowHeight": _SIZE, "defaultColWidth": _SIZE},
    "worksheet/cols": {},
    "cols/col": {
        "min": _INDEX, "max": _INDEX, "width": _SIZE, "customWidth": _FLAG, "bestFit": _FLAG, "style": _INDEX,
        "hidden": _FLAG,
    },
    "worksheet/sheetData": {},
    "worksheet/mergeCells": _COUNTED,
    "mergeCells/mergeCell": {"ref": _AREA},
    "sheetData/row": {
        "r": "[0-9]{1,7}", "spans": f"{_INDEX}:{_INDEX}", "ht": _SIZE, "customHeight": _FLAG, "s": _INDEX,
        "customFormat": _FLAG, "hidden": _FLAG,
    },
    "row/c": {"r": "[A-Z]{1,3}[0-9]{1,7}", "s": _INDEX, "t": "n|s|b|inlineStr"},
    "c/v": {"": NUMBER},
    "c/is": {},
    "is/t": {"": _ANY, "xml:space": "preserve|default"},
    "worksheet/pageMargins": dict.fromkeys(("left", "right", "top", "bottom", "header", "footer"), _MARGIN),
    "worksheet/pageSetup": {"orientation": "portrait|landscape", "paperSize": "1|8|9"},
}  # fmt: skip
_STRINGS: Grammar = {
    "/sst": {"count": "[0-9]{1,5}", "uniqueCount": "[0-9]{1,5}"},
    "sst/si": {},
    "si/t": {"": _ANY, "xml:space": "preserve|default"},
}
_STYLES: Grammar = {
    "/styleSheet": {},
    "styleSheet/numFmts": _COUNTED,
    "numFmts/numFmt": {"numFmtId": "1[6-9][0-9]", "formatCode": _FORMAT},
    "styleSheet/fonts": _COUNTED,
    "fonts/font": {},
    "font/name": {"val": _FONTS},
    "font/family": {"val": "2"},
    "font/scheme": {"val": "minor|major"},
    "font/color": _INK,
    "font/sz": {"val": r"[89]|1[0-9]|2[0-4]"},
    "font/b": {"val": _FLAG},
    "font/i": {"val": _FLAG},
    "styleSheet/fills": _COUNTED,
    "fills/fill": {},
    "fill/patternFill": {"patternType": "none|gray125"},
    "styleSheet/borders": _COUNTED,
    "borders/border": {},
    **{f"border/{side}": {"style": "thin|medium"} for side in _SIDES},
    **{f"{side}/color": _INK for side in _SIDES},
    "styleSheet/cellStyleXfs": _COUNTED,
    "cellStyleXfs/xf": _XF,
    "styleSheet/cellXfs": _COUNTED,
    "cellXfs/xf": _XF,
    "xf/alignment": _ALIGNED,
    "styleSheet/cellStyles": _COUNTED,
    "cellStyles/cellStyle": {"name": "Normal", "xfId": "0", "builtinId": "0", "hidden": "0"},
    "styleSheet/dxfs": {"count": "0"},
    "styleSheet/tableStyles": {
        "count": "0", "defaultTableStyle": "TableStyleMedium9", "defaultPivotStyle": "PivotStyleLight16",
    },
    "styleSheet/colors": {},
    "colors/indexedColors": {},
    "indexedColors/rgbColor": {"rgb": "00(?:00|33|66|80|96|99|C0|CC|FF){3}"},
}  # fmt: skip
_BOOK: Grammar = {
    "/workbook": {},
    "workbook/fileVersion": {"appName": "xl", "lastEdited": "4", "lowestEdited": "4", "rupBuild": "4505"},
    "workbook/workbookPr": {"defaultThemeVersion": "124226"},
    "workbook/workbookProtection": {},
    "workbook/bookViews": {},
    "bookViews/workbookView": {
        "visibility": "visible", "minimized": "0", "showHorizontalScroll": "1", "showVerticalScroll": "1",
        "showSheetTabs": "1", "tabRatio": "600", "firstSheet": "0", "activeTab": _FEW, "autoFilterDateGrouping": "1",
        "xWindow": "240", "yWindow": "15", "windowWidth": "16095", "windowHeight": "9660",
    },
    "workbook/sheets": {},
    "sheets/sheet": {
        "name": ".{1,31}", "sheetId": _INDEX, "state": "visible|hidden|veryHidden", "r:id": "rId[0-9]{1,3}",
    },
    "workbook/definedNames": {},
    "workbook/calcPr": {"calcId": "124519|191029", "fullCalcOnLoad": _FLAG},
}  # fmt: skip
_CORE: Grammar = {
    "/cp:coreProperties": {},
    "cp:coreProperties/dc:creator": {"": "(?:openpyxl)?"},
    "cp:coreProperties/cp:lastModifiedBy": {},
    "cp:coreProperties/dcterms:created": {"": _TIME, "xsi:type": "dcterms:W3CDTF"},
    "cp:coreProperties/dcterms:modified": {"": _TIME, "xsi:type": "dcterms:W3CDTF"},
}
_APP: Grammar = {
    "/Properties": {},
    "Properties/Application": {"": r"Microsoft Excel(?: Compatible / Openpyxl [0-9]\.[0-9]\.[0-9]{1,2})?"},
    "Properties/AppVersion": {"": r"[0-9]{1,2}\.(?:[0-9]|0000)"},
    "Properties/DocSecurity": {"": "0"},
    **{
        f"Properties/{what}": {"": "false"} for what in ("ScaleCrop", "LinksUpToDate", "SharedDoc", "HyperlinksChanged")
    },
    "Properties/Company": {},
    "Properties/HeadingPairs": {},
    "HeadingPairs/vt:vector": {"size": "2", "baseType": "variant"},
    "vt:vector/vt:variant": {},
    "vt:variant/vt:lpstr": {"": "Worksheets"},
    "vt:variant/vt:i4": {"": _INDEX},
    "Properties/TitlesOfParts": {},
    "TitlesOfParts/vt:vector": {"size": _INDEX, "baseType": "lpstr"},
    "vt:vector/vt:lpstr": {"": ".{1,31}"},
}
_PART_NAMES = (
    r"/xl/(?:workbook|styles|sharedStrings|theme/theme1|worksheets/sheet[0-9]{1,2})\.xml|/docProps/(?:core|app)\.xml"
)
_KINDS = (
    r"application/(?:xml|vnd\.openxmlformats-(?:package\.(?:relationships|core-properties)|officedocument\."
    r"(?:theme|extended-properties|spreadsheetml\.(?:styles|worksheet|sharedStrings|sheet\.main)))\+xml)"
)
_TYPES: Grammar = {
    "/Types": {},
    "Types/Default": {"Extension": "rels|xml", "ContentType": _KINDS},
    "Types/Override": {"PartName": _PART_NAMES, "ContentType": _KINDS},
}
_RELATIONS: Grammar = {
    "/Relationships": {},
    "Relationships/Relationship": {
        "Id": "rId[0-9]{1,3}",
        "Target": r"(?:/?xl/)?(?:workbook|styles|sharedStrings|theme/theme1|worksheets/sheet[0-9]{1,2})\.xml"
        r"|/?docProps/(?:core|app)\.xml",
        "Type": rf"{re.escape(_OFFICE)}/relationships/(?:officeDocument|extended-properties|worksheet|styles|theme|"
        rf"sharedStrings)|{re.escape(_PACKAGE)}/relationships/metadata/core-properties",
    },
}
SHEET = r"xl/worksheets/sheet[0-9]{1,2}\.xml"
BOOK, STYLES, STRINGS, THEME = "xl/workbook.xml", "xl/styles.xml", "xl/sharedStrings.xml", "xl/theme/theme1.xml"
APP, RELATIONS = "docProps/app.xml", "xl/_rels/workbook.xml.rels"
REPEATED = frozenset(
    {
        *("row", "c", "col", "mergeCell", "si", "sheet", "font", "fill", "border", "xf", "numFmt", "rgbColor"),
        *("selection", "Default", "Override", "Relationship", "vt:variant", "vt:lpstr"),
    }
)
"""Elements of which one parent may hold several."""


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of part: the namespace of its elements without a prefix, and its grammar."""

    namespace: str
    grammar: Grammar


PARTS: Mapping[str, Part] = {
    re.escape("[Content_Types].xml"): Part(f"{_PACKAGE}/content-types", _TYPES),
    r"_rels/\.rels|xl/_rels/workbook\.xml\.rels": Part(f"{_PACKAGE}/relationships", _RELATIONS),
    SHEET: Part(MAIN, _SHEET),
    re.escape(STRINGS): Part(MAIN, _STRINGS),
    re.escape(STYLES): Part(MAIN, _STYLES),
    re.escape(BOOK): Part(MAIN, _BOOK),
    r"docProps/core\.xml": Part("", _CORE),
    r"docProps/app\.xml": Part(f"{_OFFICE}/extended-properties", _APP),
}
OTHER_PARTS: Mapping[str, str] = {
    "macros": r"vbaProject|/macrosheets/",
    "links to other files": r"/externalLinks/|worksheets/_rels/",
    "embedded files": r"/embeddings/|/media/|/ctrlProps/",
    "comments": r"/comments|/threadedComments|/persons/",
    "a data cache of a pivot table": r"/pivotCache/",
    "data of another program": r"^customXml/|docProps/custom",
    "tables of its own": r"/tables/",
    "charts or drawings": r"/charts/|/chartsheets/|/drawings/",
    "settings of a printer": r"/printerSettings/",
}
FEATURES: Mapping[str, str] = {
    "headerFooter": "headers or footers",
    "dataValidations": "data validation",
    "conditionalFormatting": "conditional formats",
    "hyperlinks": "hyperlinks",
    "rPh": "phonetic text",
    "phoneticPr": "phonetic text",
    "autoFilter": "a filter",
    "scenarios": "scenarios",
    "tableParts": "tables of its own",
    "extLst": "extensions of another program",
    "legacyDrawing": "comments",
    "drawing": "charts or drawings",
    "r": "text of several styles",
    "numFmt@formatCode": "a number format that is not plain",
    "fgColor": "filled cells",
    "color@rgb": "coloured text",
    "color@theme": "coloured text",
    "name@val": "a font of its own",
    "cellStyle@name": "a cell style of its own",
    "sheetProtection": "protection",
}
"""What an element (or its attribute) that is not plain is called."""
