# SPDX-License-Identifier: Apache-2.0
"""Draws a dashboard from the answers to its queries, as an SVG: not Grafana's own picture, but the same panels and data."""
import math
from html import escape

COLUMN, ROW, GAP = 48, 24, 6
COLOURS = ["#3274d9", "#e0752d", "#56a64b", "#8f3bb8", "#f2cc0c", "#e02f44", "#37872d", "#1f60c4", "#c15c17", "#8e8e8e"]


def amount(value, unit):
    if value is None or math.isnan(value):
        return "-"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "bytes":
        for scale, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
            if abs(value) >= scale:
                return f"{value / scale:.3g} {name}"
        return f"{value:.0f} B"
    if unit == "s":
        if abs(value) >= 60:
            return f"{value / 60:.3g} min"
        return f"{value:.3g} s" if abs(value) >= 1 or value == 0 else f"{value * 1000:.3g} ms"
    suffix = "/s" if unit in ("cps", "ops") else ""
    for scale, name in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= scale:
            return f"{value / (1e3 if name == 'k' else scale):.4g}{name}{suffix}"
    return f"{value:.0f}{suffix}" if abs(value) >= 100 else f"{value:.4g}{suffix}"


def text(x, y, content, size=11, colour="#333", anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(content)}</text>')


def draw_stat(answers, named, unit, x, y, width, height):
    out, step = [], width / max(1, len(answers))
    for i, (name, points) in enumerate(answers):
        middle = x + step * (i + 0.5)
        out.append(text(middle, y + height / 2 + 12, amount(points[-1][1], unit), 22, "#222", "middle", "bold"))
        if named:
            out.append(text(middle, y + height / 2 + 28, name, 10, "#777", "middle"))
    return out


def draw_bars(answers, unit, x, y, width, height):
    top = max((points[-1][1] for _, points in answers), default=0) or 1
    out, step = [], height / max(1, len(answers))
    for i, (name, points) in enumerate(answers):
        at, value = y + i * step, points[-1][1]
        out.append(text(x + 8, at + step / 2 - 4, name, 10, "#555"))
        out.append(f'<rect x="{x + 8}" y="{at + step / 2:.1f}" width="{width - 80}" height="9" fill="#eee"/>')
        out.append(f'<rect x="{x + 8}" y="{at + step / 2:.1f}" width="{(width - 80) * value / top:.1f}" height="9" fill="{COLOURS[0]}"/>')
        out.append(text(x + width - 8, at + step / 2 + 9, amount(value, unit), 11, "#222", "end", "bold"))
    return out


def draw_lines(answers, unit, stacked, x, y, width, height):
    shown = sorted(answers, key=lambda a: -a[1][-1][1])[:7]
    legend = 13 * min(len(shown), 7)
    left, bottom, high = x + 52, y + height - legend - 20, height - legend - 28
    wide = width - 62
    times = sorted({t for _, points in answers for t, _ in points})
    base, lines = dict.fromkeys(times, 0.0), []
    for name, points in answers:
        values = {t: v for t, v in points if not math.isnan(v)}
        if stacked:
            values = {t: base[t] + values.get(t, 0.0) for t in times}
            base.update(values)
        lines.append((name, sorted(values.items())))
    top = max((v for _, points in lines for _, v in points), default=0) or 1
    span = max(1.0, times[-1] - times[0])
    out = []
    for part in (0, 0.5, 1):
        level = bottom - high * part
        out.append(f'<line x1="{left}" y1="{level:.1f}" x2="{left + wide}" y2="{level:.1f}" stroke="#e4e4e4"/>')
        out.append(text(left - 5, level + 4, amount(top * part, unit), 9, "#777", "end"))
    out.append(text(left, bottom + 12, f"-{span:.0f} s", 9, "#777"))
    out.append(text(left + wide, bottom + 12, "now", 9, "#777", "end"))
    colours = {name: COLOURS[i % len(COLOURS)] for i, (name, _) in enumerate(answers)}
    for name, points in reversed(lines):
        path = " ".join(f"{left + wide * (t - times[0]) / span:.1f},{bottom - high * v / top:.1f}" for t, v in points)
        if stacked and points:
            first, last = left + wide * (points[0][0] - times[0]) / span, left + wide * (points[-1][0] - times[0]) / span
            out.append(f'<polygon points="{first:.1f},{bottom:.1f} {path} {last:.1f},{bottom:.1f}" fill="{colours[name]}" fill-opacity="0.25"/>')
        out.append(f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="1.3"/>')
    for i, (name, points) in enumerate(shown):
        at = bottom + 26 + 13 * i
        out.append(f'<rect x="{x + 8}" y="{at - 7:.1f}" width="10" height="3" fill="{colours[name]}"/>')
        out.append(text(x + 22, at, name, 10, "#555"))
        out.append(text(x + width - 8, at, amount(points[-1][1], unit), 10, "#333", "end"))
    return out


def draw(model, answers):
    """`answers`: panel id -> [(legend, [(time, value), ...]), ...]. Returns the SVG's text."""
    bottom = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in model["panels"])
    width, height = 24 * COLUMN + GAP, bottom * ROW + 50
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
           'font-family="Helvetica, Arial, sans-serif">', f'<rect width="{width}" height="{height}" fill="#f4f5f5"/>',
           text(GAP * 2, 28, model["title"], 18, "#222", weight="bold")]
    for panel in model["panels"]:
        at = panel["gridPos"]
        x, y = at["x"] * COLUMN + GAP, at["y"] * ROW + 42
        wide, high = at["w"] * COLUMN - GAP, at["h"] * ROW - GAP
        if panel["type"] == "row":
            out.append(text(x + 4, y + 16, panel["title"], 13, "#222", weight="bold"))
            continue
        out.append(f'<rect x="{x}" y="{y}" width="{wide}" height="{high}" fill="#fff" stroke="#dcdcdc" rx="2"/>')
        out.append(text(x + 8, y + 17, panel["title"], 12, "#222", weight="bold"))
        unit = panel["fieldConfig"]["defaults"]["unit"]
        if panel["type"] == "stat":
            named = panel["options"]["textMode"] == "value_and_name"
            out += draw_stat(answers[panel["id"]], named, unit, x, y, wide, high)
        elif panel["type"] == "bargauge":
            out += draw_bars(answers[panel["id"]], unit, x, y + 22, wide, high - 26)
        else:
            stacked = panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal"
            out += draw_lines(answers[panel["id"]], unit, stacked, x, y + 18, wide, high - 18)
    return "\n".join(out + ["</svg>"]) + "\n"
