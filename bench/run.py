"""Times Lathe beside ONNX Runtime and OpenVINO, and writes docs/performance.md, its plot, and all figures as JSON.

    python run.py --onnx M.onnx --package M.lathe --bin build/bin --library liblathe.so --out FOLDER [--seconds S]
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

import report
from engines import ENGINES, Files
from measure import WORKLOADS

HERE = pathlib.Path(__file__).resolve().parent


def child(*words):
    command = [sys.executable, str(HERE / "measure.py"), *map(str, words)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)


def build_peak(out):
    """Compiles fma_peak.c; returns the library's path."""
    library = out / "fma_peak.so"
    compiler = os.environ.get("CC", "clang-22")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", HERE / "fma_peak.c", "-o", library], check=True)
    return library


def least(samples):
    """Of several processes: the least of each figure, for what disturbs one only adds."""
    merged = dict(samples[0])
    for key, value in merged.items():
        if isinstance(value, (int, float)):
            merged[key] = min(sample[key] for sample in samples)
    return merged


def measure_matmul(options, core, peak):
    """The matrix multiplications' speed at 8x128 on one core, from the runtime's own account of each launch."""
    rows, length = len(WORKLOADS["8x128"]), WORKLOADS["8x128"][0]
    command = [options.bin / "lathe-run", "bench", options.package, f"--shapes=input_ids:{rows}x{length}"]
    command += ["--threads=1", f"--duration={options.seconds}", "--json=-"]
    pinned = subprocess.run(command, stdout=subprocess.PIPE, check=True, preexec_fn=lambda: os.sched_setaffinity(0, [core]))
    figures = json.loads(pinned.stdout)
    total = sum(launch["latency_ms"]["median"] for launch in figures["launches"])
    # Attention has floating-point operations too, but its products are small and between softmaxes.
    multiplying = [x for x in figures["launches"] if x["flops"] and "attention" not in x["kernel"]]
    time, least = (sum(launch["latency_ms"][key] for launch in multiplying) for key in ("median", "min"))
    flops = sum(launch["flops"] for launch in multiplying)
    return {
        "gflops": flops / time / 1e6,
        "best_gflops": flops / least / 1e6,
        "time_share": time / total,
        "fma_peak_gflops": peak,
        "launches": len(figures["launches"]),
        "peak_resident_bytes": figures["memory_bytes"]["peak_resident"],
    }


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown CPU"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ["onnx", "package", "bin", "library", "out"]:
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--docs", type=pathlib.Path, default=HERE.parent / "docs")
    parser.add_argument("--seconds", type=float, default=8, help="of measuring for each workload")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    files = (options.onnx, options.package, options.library)
    cores = sorted(os.sched_getaffinity(0))
    core = cores[-1]  # the first one answers most interrupts
    peak_library = build_peak(options.out)

    print(f"one core ({core}) ...", flush=True)
    one = child("latency", core, options.seconds, *files, peak_library)
    matmul = measure_matmul(options, core, one["workloads"]["8x128"]["fma_peak_gflops"])
    print(f"all cores ({len(cores)}) ...", flush=True)
    every = child("latency", ",".join(map(str, cores)), options.seconds, *files, peak_library)
    print("loading ...", flush=True)
    results = {
        "machine": {"cpu": cpu_name(), "cores": len(cores)},
        "one_core": one,
        "all_cores": every,
        "matmul": matmul,
        "load": {name: least([child("load", name, *files) for _ in range(5)]) for name in ENGINES},
        "model_bytes": {
            name: (options.package if name == "Lathe" else options.onnx).stat().st_size for name in ENGINES
        },
    }
    (options.out / "results.json").write_text(json.dumps(results, indent=2) + "\n")

    wrong = [
        f"{name} on {workload}: {error:g}"
        for figures in (one, every)
        for workload, entry in figures["workloads"].items()
        for name, error in entry["max_abs_error"].items()
        if not error <= 1e-4  # embeddings have length 1; f32 engines differ by about 1e-7
    ]
    if wrong:
        sys.exit("run.py: results differ from ONNX Runtime's: " + "; ".join(wrong))
    options.docs.mkdir(exist_ok=True)
    page = options.docs / "performance.md"
    section = report.markdown(results)
    page.write_text(report.insert(page.read_text() if page.exists() else "", section))
    (options.docs / "performance.svg").write_text(report.svg(one))
    print(section)


if __name__ == "__main__":
    main()
