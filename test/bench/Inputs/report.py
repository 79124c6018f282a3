"""Feeds bench/report.py figures whose results are known."""
import sys
import xml.etree.ElementTree as xml

sys.path.insert(0, sys.argv[1])
import report

NAMES = ["ONNX Runtime", "OpenVINO", "Lathe"]
MEDIANS = {
    "1x16": (8, 6, 4),
    "1x128": (4, 5, 4),
    "8x128": (8, 9, 4),
    "1x512": (12, 12, 4),
    "16 sentences": (8, 8, 4),
    "16 passages": (80, 80, 40),
}
SHAPES = {"1x16": (1, 16), "1x128": (1, 128), "8x128": (8, 128), "1x512": (1, 512)}
MIB = 2**20


def workload(name, medians):
    shape = SHAPES.get(name, (16, 19))
    tokens = shape[0] * shape[1] if name in SHAPES else 190
    latency = {engine: {"median": float(value)} for engine, value in zip(NAMES, medians)}
    return {"shape": shape, "tokens": tokens, "latency_ms": latency}


figures = {
    "cores": [0],
    "versions": {name: "1" for name in NAMES},
    "target": "x86-64-v3",
    "workloads": {name: workload(name, medians) for name, medians in MEDIANS.items()},
}
load = {"load_ms": 1.0, "first_run_ms": 2.0, "memory_bytes": 3 * MIB, "libraries": {"a": MIB, "b": 3 * MIB}}
results = {
    "machine": {"cpu": "a CPU", "cores": 1},
    "one_core": figures,
    "all_cores": figures,
    "matmul": {"gflops": 90.0, "best_gflops": 95.0, "fma_peak_gflops": 100.0, "time_share": 0.8},
    "load": {name: load for name in NAMES},
    "model_bytes": {name: 5 * MIB for name in NAMES},
}
print(report.markdown(results))
print(report.insert(f"before\n{report.BEGIN}old{report.END}\nafter", "new"))
plot = xml.fromstring(report.svg(figures))
bars = [r for r in plot.iter("{http://www.w3.org/2000/svg}rect") if r.get("fill") in report.COLOURS.values()]
print(len(bars), "bars, those of the legend included")
assert report.insert("", "section").startswith("# Performance")
