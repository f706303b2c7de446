"""The style of a report's page: light and dark by the reader's own setting, narrow and wide screens, and paper."""

#: Colours keep 3:1 against their ground in both schemes; every plot has a legend or a table beside it.
SHEET = """
:root { color-scheme: light dark; --ground: #ffffff; --panel: #f6f7f9; --text: #1b1f24; --dim: #57606a;
  --line: #d5dae0;
  --completed: #2da160; --failed: #cf3b34; --cancelled: #8a8f98; --p50: #1f7a8c; --p95: #b7791f; --p99: #cf3b34;
  --g1: #cf3b34; --g2: #b7791f; --g3: #7a4fc9; --g4: #1f7a8c; --g5: #b83280; --bad: #b42318; --good: #1a7f45; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --panel: #1d2226; --text: #e6e8ea; --dim: #9aa4ae;
  --line: #343b42; --completed: #3fb673; --failed: #f0685f; --cancelled: #8d949c; --p50: #4fb3c6; --p95: #e0a84a;
  --p99: #f0685f; --g1: #f0685f; --g2: #e0a84a; --g3: #a98bea; --g4: #4fb3c6; --g5: #e27bb1; --bad: #ff8a80;
  --good: #5fd08f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 24px 20px 48px; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 8px; }
p { margin: 4px 0 8px; } .dim { color: var(--dim); } .none { color: var(--dim); font-style: italic; }
code, .mono { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 13px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(118px, 1fr)); gap: 10px; margin: 20px 0 0;
  padding: 0; }
.tile { background: var(--panel); border-radius: 8px; padding: 10px 14px; }
.tile b { display: block; font-size: 22px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile span { color: var(--dim); font-size: 13px; }
ul.found { margin: 16px 0 0; padding-left: 20px; }
figure { margin: 8px 0; } svg { display: block; width: 100%; height: auto; } .narrow { display: none; }
svg text { fill: var(--dim); font-size: 12px; font-family: inherit; } .grid { stroke: var(--line); stroke-width: 1; }
.axis { stroke: var(--dim); stroke-width: 1; } .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 6px; padding: 0; list-style: none;
  font-size: 13px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; font-weight: 600; color: var(--dim); font-size: 13px; white-space: nowrap; }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.message { min-width: 240px; overflow-wrap: anywhere; } td.nowrap { white-space: nowrap; }
.new, .growing { color: var(--bad); font-weight: 600; } .shrinking { color: var(--good); }
.mark { stroke-width: 3; } .people { stroke: var(--p50); background: var(--p50); }
.trouble { stroke: var(--failed); background: var(--failed); } .workers { stroke: var(--cancelled);
  background: var(--cancelled); }
@media (max-width: 700px) { body { padding: 16px 14px 32px; } .wide { display: none; } .narrow { display: block; }
  h1 { font-size: 22px; } }
@media print { :root { color-scheme: light; } body { max-width: none; padding: 0; font-size: 11pt; }
  .wide { display: block; } .narrow { display: none; } figure, tr, .tile { break-inside: avoid;
  } h2 { break-after: avoid; }
  .scroll { overflow: visible; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""

_FILLED = ("completed", "failed", "cancelled", "p50", "p95", "p99", "g1", "g2", "g3", "g4", "g5")


def style() -> str:
    """Return the whole style sheet; a class fills a shape, or strokes a line, in the colour of its name."""
    fills = [f".{name} {{ fill: var(--{name}); background: var(--{name}); }}" for name in _FILLED]
    strokes = [f".line.{name} {{ fill: none; background: none; stroke: var(--{name}); }}" for name in _FILLED]
    return "\n".join([SHEET, *fills, *strokes])
