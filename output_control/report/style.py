"""The report's one style sheet: light and dark, screen and paper. Colours are pairs whose contrast a test computes."""

from __future__ import annotations

# name: (light, dark); every foreground stands on every background that a rule below pairs it with
COLOURS = {
    "paper": ("#ffffff", "#14181d"),
    "ink": ("#1b1f24", "#e8ecf0"),
    "quiet": ("#4d5660", "#b4bec8"),
    "line": ("#767f89", "#7d8894"),
    "head": ("#eef1f4", "#222a32"),
    "link": ("#0b4f94", "#8cc4ff"),
    "warn": ("#fff1d6", "#3a2c0c"),
    "primary": ("#fbd9d5", "#5a201a"),
    "secondary": ("#e0e7f8", "#26365c"),
    "sensitive": ("#f6e3b4", "#4c3b0a"),
}
# foreground, background: text that must reach 4.5 : 1 (WCAG 2.2, success criterion 1.4.3)
TEXT_PAIRS = tuple(
    [("ink", ground) for ground in ("paper", "head", "warn", "primary", "secondary", "sensitive")]
    + [("quiet", "paper"), ("link", "paper"), ("quiet", "head")]
)
# lines that carry meaning must reach 3 : 1 (1.4.11)
LINE_PAIRS = (("line", "paper"), ("link", "paper"))


def _properties(place: int) -> str:
    return " ".join(f"--{name}: {pair[place]};" for name, pair in COLOURS.items())


STYLE = f"""
:root {{ color-scheme: light dark; {_properties(0)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_properties(1)} }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; padding: 1.5rem; max-width: 80rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; margin: .5rem 0 1rem; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.25rem; margin: 2.2rem 0 .6rem; }}
a {{ color: var(--link); }}
:focus-visible {{ outline: 3px solid var(--link); outline-offset: 2px; }}
.skip {{ position: absolute; left: -999rem; }}
.skip:focus {{ position: static; }}
.other {{ text-align: right; margin: 0 0 .3rem; }}
nav ul {{ display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0; padding: 0; list-style: none; }}
.notice {{ background: var(--warn); border: 1px solid var(--line); border-left: .4rem solid var(--line);
  padding: .6rem .9rem; margin: 0 0 1rem; }}
.scroll {{ overflow: auto; width: fit-content; max-width: 100%; max-height: 85vh; border: 1px solid var(--line); }}
table {{ border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; }}
caption {{ text-align: left; color: var(--quiet); padding: .4rem .7rem; }}
th, td {{ padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }}
tr:last-child > * {{ border-bottom: 0; }}
thead th {{ position: sticky; top: 0; background: var(--head); }}
th {{ font-weight: 600; overflow-wrap: break-word; }}
thead th {{ vertical-align: bottom; }}
tbody th {{ font-weight: 500; max-width: 24rem; }}
.ways th, .ways td {{ padding-inline: .45rem; }} .ways tbody th, .checks tbody th {{ min-width: 13rem; }}
.facts {{ border: 1px solid var(--line); min-width: 22rem; max-width: 100%; }}
.scroll + .facts {{ margin-top: 1rem; }} .facts td {{ max-width: 44rem; overflow-wrap: anywhere; }}
td.n, th.n {{ text-align: right; }}
td.n {{ white-space: nowrap; }}
.d1 {{ padding-left: 1.6rem; }} .d2 {{ padding-left: 2.5rem; }} .d3 {{ padding-left: 3.4rem; }}
.d4 {{ padding-left: 4.3rem; }}
.primary {{ background: var(--primary); }} .secondary {{ background: var(--secondary); }}
.sensitive {{ background: var(--sensitive); }} .hidden {{ background: var(--secondary); }}
.code, .true {{ color: var(--quiet); }}
.primary .true, .secondary .true, .sensitive .true {{ color: var(--ink); }}
.chosen > * {{ background: var(--head); font-weight: 600; }}
.legend {{ list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .4rem 1.5rem; }}
.legend b {{ display: inline-block; min-width: 1.7rem; text-align: center; border: 1px solid var(--line); }}
.note {{ color: var(--quiet); }}
@media print {{
  :root {{ color-scheme: light; {_properties(0)} }}
  body {{ max-width: none; padding: 0; font-size: 9pt; }}
  .skip, nav, .other {{ display: none; }} .scroll {{ overflow: visible; width: auto; max-height: none; border: 0; }}
  thead {{ display: table-header-group; }} thead th {{ position: static; }} tr {{ break-inside: avoid; }}
  td, th {{ print-color-adjust: exact; }}
}}
"""
