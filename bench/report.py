"""Turns the figures of a benchmark into a page: a Markdown table between two markers, and a plot in SVG."""
import math
from html import escape

PEERS = ["ONNX Runtime", "OpenVINO"]
NAMES = PEERS + ["Lathe"]
COLOURS = {"ONNX Runtime": "#9db2c9", "OpenVINO": "#5f86b3", "Lathe": "#d9622b"}
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
DENSE = ["1x16", "1x128", "8x128", "1x512"]
HEAD = """# Performance

Lathe beside ONNX Runtime and OpenVINO on MiniLM-L6 (22.7 M parameters, f32), in one run on one machine: `make bench`
writes this page. The engines take turns, so that what the machine does besides strikes all alike; the first run of
each turn is not counted. All keep f32. "16 sentences" and "16 passages" are padded batches: texts of mixed lengths
with their mask.

"""


def median(figures, workload, name):
    return figures["workloads"][workload]["latency_ms"][name]["median"]


def speedup(figures, workload):
    """Of Lathe against the faster peer."""
    return min(median(figures, workload, peer) for peer in PEERS) / median(figures, workload, "Lathe")


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def latency_table(figures):
    lines = [
        "| batch | tokens | " + " | ".join(NAMES) + " | against the faster |",
        "|---|--:|" + "--:|" * (len(NAMES) + 1),
    ]
    for workload, entry in figures["workloads"].items():
        rows, length = entry["shape"]
        shown = workload if entry["tokens"] == rows * length else f"{workload}, padded to {rows}x{length}"
        cells = [f"{median(figures, workload, name):.2f}" for name in NAMES]
        lines.append(f"| {shown} | {entry['tokens']} | {' | '.join(cells)} | {speedup(figures, workload):.2f}x |")
    mean = geometric_mean([speedup(figures, workload) for workload in DENSE])
    lines.append(f"\nGeometric mean over {', '.join(DENSE)}: **{mean:.2f}x**.")
    return lines


def matmul_lines(results):
    matmul = results["matmul"]
    peak = matmul["fma_peak_gflops"]
    median, best = (f"{matmul[key]:.1f} GFLOP/s ({100 * matmul[key] / peak:.0f} %)" for key in ("gflops", "best_gflops"))
    return [
        f"Matrix multiplications of 8x128, one core: {median} in the median, {best} by the fastest run of each launch, of "
        f"the core's {peak:.1f} (measured by `bench/fma_peak.c` in the same run); they are "
        f"{100 * matmul['time_share']:.0f} % of the time.",
    ]


def mib(size):
    return f"{size / 2**20:.1f} MiB"


def load_table(results):
    lines = ["| | load | first run, 1x128 | memory | libraries | model |", "|---|--:|--:|--:|--:|--:|"]
    for name in NAMES:
        entry = results["load"][name]
        lines.append(
            f"| {name} | {entry['load_ms']:.1f} ms | {entry['first_run_ms']:.1f} ms | {mib(entry['memory_bytes'])} | "
            f"{mib(sum(entry['libraries'].values()))} | {mib(results['model_bytes'][name])} |"
        )
    lines += [
        "",
        "Load: from the model's file, in the page cache, to a session that can run; the library itself is in memory "
        "already. Memory: the most that the process had resident at 1x128, above what it had before loading. "
        "Libraries: the engine's shared libraries that a run from Python maps, on disk.",
    ]
    return lines


def markdown(results):
    one, every = results["one_core"], results["all_cores"]
    versions = ", ".join(f"{name} {version}" for name, version in one["versions"].items())
    lines = [
        BEGIN,
        f"Machine: {results['machine']['cpu']}, {results['machine']['cores']} cores. {versions}; Lathe runs its "
        f"{one['target']} variant. Median latency in milliseconds.",
        "",
        "## One core",
        "",
        *latency_table(one),
        "",
        "![Median latency relative to Lathe](performance.svg)",
        "",
        *matmul_lines(results),
        "",
        f"## All cores ({len(every['cores'])})",
        "",
        *latency_table(every),
        "",
        "## Loading and shipping",
        "",
        *load_table(results),
        END,
    ]
    return "\n".join(lines)


def insert(page, section):
    """The page with its part between the markers replaced; with it at the end where the page has none."""
    if BEGIN in page and END in page:
        return page[: page.index(BEGIN)] + section + page[page.index(END) + len(END) :]
    return (page or HEAD) + section + "\n"


def svg(figures):
    """Bars of each engine's median latency over Lathe's, workload by workload; milliseconds above them."""
    width, height, left, top, bottom = 860, 360, 46, 44, 40
    workloads = list(figures["workloads"])
    ratio = {(w, n): median(figures, w, n) / median(figures, w, "Lathe") for w in workloads for n in NAMES}
    most = max(ratio.values()) * 1.12
    plot_height, group = height - top - bottom, (width - left - 10) / len(workloads)
    bar = group / (len(NAMES) + 1)

    def y(value):
        return top + plot_height * (1 - value / most)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="20" font-size="14">Median latency relative to Lathe, one core (milliseconds above the bars)</text>',
    ]
    step = 0.5 if most < 4 else 1
    for i in range(int(most / step) + 1):
        at = y(i * step)
        parts.append(f'<line x1="{left}" x2="{width - 10}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{at + 4:.1f}" text-anchor="end">{i * step:g}</text>')
    for g, workload in enumerate(workloads):
        for b, name in enumerate(NAMES):
            x, at = left + g * group + (b + 0.5) * bar, y(ratio[workload, name])
            parts.append(
                f'<rect x="{x:.1f}" y="{at:.1f}" width="{bar * 0.9:.1f}" height="{y(0) - at:.1f}" fill="{COLOURS[name]}"/>'
            )
            value = median(figures, workload, name)
            shown = f"{value:.3g}" if value < 100 else f"{value:.0f}"
            parts.append(f'<text x="{x + bar * 0.45:.1f}" y="{at - 4:.1f}" text-anchor="middle" font-size="10">{shown}</text>')
        middle = left + (g + 0.5) * group
        parts.append(f'<text x="{middle:.1f}" y="{height - 22}" text-anchor="middle">{escape(workload)}</text>')
    for b, name in enumerate(NAMES):
        x = left + b * 140
        parts.append(f'<rect x="{x}" y="{height - 14}" width="10" height="10" fill="{COLOURS[name]}"/>')
        parts.append(f'<text x="{x + 15}" y="{height - 5}">{escape(name)}</text>')
    return "\n".join(parts + ["</svg>\n"])
