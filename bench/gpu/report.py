"""Turns results.json of the GPU suite into a Markdown table and a roofline plot. Without results all cells say so.

    python report.py MANIFEST.json [RESULTS.json] PAGE.md     replaces the part of the page between the markers
"""
import json
import math
import pathlib
import sys
from html import escape

import limits
from measure import shapes_of

PYTORCH = ["PyTorch eager", "PyTorch SDPA, CUDA graphs", "torch.compile max-autotune"]
ORT = "ONNX Runtime, tf32"
ENGINES = ["Lathe", *PYTORCH, ORT]
COLOURS = ["#d9622b", "#5f86b3", "#4b9560", "#8a63a8", "#b09a3c", "#777777", "#c2558b"]
BEGIN, END = "<!-- gpu: begin -->", "<!-- gpu: end -->"
MISSING = "not measured"


def number(figures):
    if not figures:
        return MISSING
    return f"{figures['ms']:.3f}" if "ms" in figures else "failed: " + figures.get("error", "")[:60].replace("|", "/")


def fraction(results, name, key):
    """(least ms, part of it that Lathe reaches), or None."""
    batch, sequence = map(int, key.split("x"))
    model = results["models"][name]
    least = limits.least_ms(model, limits.lengths_of(model, batch, sequence), results.get("device", {}).get("name", ""))
    figures = results.get("bench", {}).get(name, {}).get(key, {}).get("Lathe", {})
    return (least, least / figures["ms"]) if least and "ms" in figures else None


def bench_rows(results):
    lines = ["| model | batch x sequence | " + " | ".join(ENGINES) + " | limit | of the limit | against the fastest |",
             "|---|---|" + "--:|" * (len(ENGINES) + 3)]  # fmt: skip
    for name, model in sorted(results["models"].items()):
        measured = results.get("bench", {}).get(name, {})
        if not measured:
            lines.append(f"| {name} | all |" + f" {MISSING} |" * len(ENGINES) + " - | - | - |")
            continue
        for key in list(measured) if results.get("quick") else [f"{b}x{s}" for b, s in sorted(shapes_of(model, False))]:
            cell = measured.get(key, {})
            reached = fraction(results, name, key)
            peers = [cell[engine]["ms"] for engine in ENGINES[1:] if "ms" in cell.get(engine, {})]
            own = cell.get("Lathe", {}).get("ms")
            engines = " | ".join(number(cell.get(engine)) for engine in ENGINES)
            limit = f"{reached[0]:.3f} | {100 * reached[1]:.0f} %" if reached else "- | -"
            against = f"{min(peers) / own:.2f}x" if peers and own else "-"
            lines.append(f"| {name} | {key} | {engines} | {limit} | {against} |")
    return lines


def check_rows(results):
    lines = ["| checks | pass |", "|---|--:|"]
    checks = results.get("checks", {})
    for name in checks or ["conformance fp32", "conformance fp16", "stored outputs", "against the CPU"]:
        lines.append(f"| {name} | {checks[name]['pass']} of {checks[name]['total']} |" if name in checks else f"| {name} | {MISSING} |")
    return lines


def other_rows(results):
    lines = ["| host, of a run that replays its graph | |", "|---|--:|"]
    for name in sorted(name for name, model in results["models"].items() if model["precision"] == "fp16"):
        own = results.get("bench", {}).get(name, {}).get(next(iter(f"{b}x{s}" for b, s in shapes_of(results["models"][name], False))), {})
        own = own.get("Lathe", {})
        host = f"{own['host_us']:.1f} us until the call returns" if "host_us" in own else None
        beyond = f"latency beyond the device's phases {1e3 * own['beyond_device']:.1f} us" if "ms" in own else None
        lines.append(f"| {name} | {', '.join(filter(None, [host, beyond])) or MISSING} |")
    lines += ["", "| padded batch, 50 % filled | full | half filled | ratio |", "|---|--:|--:|--:|"]
    for name, model in sorted(results["models"].items()):
        if model["precision"] != "fp16" or "tokens" in model:
            continue
        cells = {key.rsplit(" ", 1)[1]: cell.get("Lathe", {}) for key, cell in results.get("padded", {}).get(name, {}).items()}
        full, half = cells.get("full", {}), cells.get("half", {})
        ratio = f"{full['ms'] / half['ms']:.2f}x" if "ms" in full and "ms" in half else "-"
        lines.append(f"| {name} | {number(full)} | {number(half)} | {ratio} |")
    return lines


def markdown(results):
    device, software = results.get("device", {}), results.get("software", {})
    about = f"Device: {device['name']}, driver {device['driver'] // 1000}.{device['driver'] % 1000 // 10}." if device.get("name") else f"Device: none, so what needs one is {MISSING}."
    about += "".join(f" {name} {software[key]}." for name, key in [("PyTorch", "torch"), ("ONNX Runtime", "onnxruntime")] if software.get(key))
    if device.get("name") and not limits.machine(device["name"]):
        about += " Its limits are not known here, so no fraction of them is given."
    return "\n".join([about, "", *check_rows(results), "", "Milliseconds of a run on the device (medians; engines in turn):", "",
                      *bench_rows(results), "", *other_rows(results)])  # fmt: skip


def roofline(results):
    """FLOP/s over FLOP per byte of weights, both logarithmic, with the device's roof where its figures are known."""
    device = results.get("device", {}).get("name", "")
    points = []
    for name, measured in sorted(results.get("bench", {}).items()):
        model = results["models"][name]
        for key, cell in measured.items():
            if "ms" in cell.get("Lathe", {}) and model["precision"] in ("fp16", "bf16"):
                batch, sequence = map(int, key.split("x"))
                flop, size, _ = limits.work(model, limits.lengths_of(model, batch, sequence))
                reached = fraction(results, name, key)
                points.append((name, key, flop / size, flop / cell["Lathe"]["ms"] * 1e3, reached and reached[1]))
    width, height, left, top, right, bottom = 860, 460, 70, 40, 190, 50
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="white"/>']  # fmt: skip
    if not points:
        return "\n".join([*parts, f'<text x="{left}" y="{top}" font-size="14">{MISSING}</text>', "</svg>\n"])
    known = limits.machine(device)
    xs = [point[2] for point in points] + ([known[0] / known[1]] if known else [])
    ys = [point[3] for point in points] + ([known[0]] if known else [])
    x0, x1 = math.floor(math.log10(min(xs))), math.ceil(math.log10(max(xs)) + 0.01)
    y0, y1 = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)) + 0.01)
    at_x = lambda x: left + (width - left - right) * (math.log10(x) - x0) / (x1 - x0)
    at_y = lambda y: height - bottom - (height - top - bottom) * (math.log10(y) - y0) / (y1 - y0)
    parts.append(f'<text x="{left}" y="22" font-size="14">Roofline, {escape(device)}, 16 bits</text>')
    for e in range(x0, x1 + 1):
        x = at_x(10.0**e)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{height - bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - bottom + 16}" text-anchor="middle">{10.0**e:g}</text>')
    for e in range(y0, y1 + 1):
        y = at_y(10.0**e)
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0 ** (e - 12):g}</text>')
    parts.append(f'<text x="{(left + width - right) / 2}" y="{height - 14}" text-anchor="middle">FLOP per byte of weights</text>')
    parts.append(f'<text x="16" y="{height / 2}" transform="rotate(-90 16 {height / 2})" text-anchor="middle">TFLOP/s</text>')
    if known:
        compute, memory, _ = known
        ends = [(max(10.0**x0, 10.0**y0 / memory), None), (compute / memory, None), (10.0**x1, None)]
        roof = " ".join(f"{at_x(x):.1f},{at_y(min(compute, x * memory)):.1f}" for x, _ in ends)
        parts.append(f'<polyline points="{roof}" fill="none" stroke="black" stroke-width="1.5"/>')
    names = sorted({point[0] for point in points})
    for name, key, x, y, reached in points:
        colour = COLOURS[names.index(name) % len(COLOURS)]
        title = f"{name} {key}: {y / 1e12:.3g} TFLOP/s" + (f", {100 * reached:.0f} % of the limit" if reached else "")
        parts.append(f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="4" fill="{colour}"><title>{escape(title)}</title></circle>')
        if reached:
            parts.append(f'<text x="{at_x(x) + 6:.1f}" y="{at_y(y) + 3:.1f}" font-size="9">{100 * reached:.0f} %</text>')
    for i, name in enumerate(names):
        y = top + 20 * i
        parts.append(f'<circle cx="{width - right + 20}" cy="{y}" r="5" fill="{COLOURS[i % len(COLOURS)]}"/>')
        parts.append(f'<text x="{width - right + 30}" y="{y + 4}">{escape(name)}</text>')
    return "\n".join(parts + ["</svg>\n"])


def main():
    *sources, page = map(pathlib.Path, sys.argv[1:])
    results = {"models": json.loads(sources[0].read_text())}
    if len(sources) > 1:
        results = json.loads(sources[1].read_text())
    text = page.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"report.py: {page} has no markers")
    section = "\n".join([BEGIN, markdown(results), END])
    page.write_text(text[: text.index(BEGIN)] + section + text[text.index(END) + len(END) :])


if __name__ == "__main__":
    main()
