#!/usr/bin/env python3
"""Times compressed packages of MiniLM beside ONNX Runtime's dynamic int8 and OpenVINO's bf16, interleaved on one core.

    build/bench/venv/bin/python bench/compression/speed.py [--onnx build/bench/minilm.onnx] [--bin build/bin]
        [--library build/lib/liblathe.so] [--seconds 8] [--core N] [--avx2] [--json FILE]

`make bench` makes the environment and the model. Medians in milliseconds; a package's ratio is the peer's median over
its own. Peers: ONNX Runtime's quantize_dynamic (per channel where it does so by itself) for int8, OpenVINO with
INFERENCE_PRECISION_HINT=bf16 for bf16, where the core has its instructions. With --avx2 nobody sees that the core has
AVX-512 and what came with it (bench/hide_avx512.c), so that all run what they have for AVX2.
"""
import argparse
import json
import math
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import numpy as np  # noqa: E402
from engines import Files, Lathe, OnnxRuntime, OpenVino  # noqa: E402
from measure import WORKLOADS, measure_workload  # noqa: E402

PACKAGES = {
    "Lathe fp32": [],
    "Lathe int8": ["--compress=light"],
    "Lathe int7": ["--compress=light-avx2"],
    "Lathe bf16": ["--precision=bf16"],
}
PEERS = {
    "Lathe fp32": "ONNX Runtime",
    "Lathe int8": "ONNX Runtime int8",
    "Lathe int7": "ONNX Runtime int8",
    "Lathe bf16": "OpenVINO bf16",
}
SHAPES = ["1x16", "1x128", "8x128", "1x512"]


class OpenVinoBf16(OpenVino):
    precision = "bf16"


def quantize(onnx, target):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(onnx, target, weight_type=QuantType.QInt8)
    return target


def run_without_avx512(library):
    """Starts this script again, so that whatever it loads is preloaded with the library."""
    subprocess.run(["clang-22", "-O2", "-shared", "-fPIC", ROOT / "bench/hide_avx512.c", "-o", library], check=True)
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "LD_PRELOAD": str(library)})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--onnx", type=pathlib.Path, default=ROOT / "build/bench/minilm.onnx")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/bin")
    parser.add_argument("--library", type=pathlib.Path, default=ROOT / "build/lib/liblathe.so")
    parser.add_argument("--seconds", type=float, default=8, help="of measuring for each shape")
    parser.add_argument("--core", type=int, help="the last one by default")
    parser.add_argument("--avx2", action="store_true", help="hides AVX-512 from all")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    hider = (options.onnx.parent / "hide_avx512.so").resolve()
    if options.avx2 and os.environ.get("LD_PRELOAD") != str(hider):
        run_without_avx512(hider)

    engines = {}
    for name, flags in PACKAGES.items():
        package = options.onnx.with_suffix("." + name.split()[1] + ".lathe")
        subprocess.run([options.bin / "lathe", "compile", options.onnx, "-o", package, "--quiet", *flags], check=True)
        engines[name] = Lathe(Files(options.onnx, package, options.library), 1)
    int8 = quantize(options.onnx, options.onnx.with_suffix(".int8.onnx"))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) if options.core is None else options.core})
    engines["ONNX Runtime"] = OnnxRuntime(Files(options.onnx, None, None), 1)
    engines["ONNX Runtime int8"] = OnnxRuntime(Files(int8, None, None), 1)
    if not options.avx2 and "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text():
        engines["OpenVINO bf16"] = OpenVinoBf16(Files(options.onnx, None, None), 1)

    figures = {}
    for shape in SHAPES:
        samples, errors = measure_workload(engines, WORKLOADS[shape], options.seconds)
        figures[shape] = {
            name: {"median": float(np.median(times)), "min": min(times), "runs": len(times), "max_abs_error": errors[name]}
            for name, times in samples.items()
        }
    print("targets: " + ", ".join(f"{name} {engines[name].target}" for name in PACKAGES))
    print("| |" + "|".join(engines) + "|\n|---|" + "---|" * len(engines))
    for shape, row in figures.items():
        print(f"| {shape} |" + "|".join(f" {row[name]['median']:.3g} " for name in engines) + "|")
    for name, peer in PEERS.items():
        if peer in engines:
            ratios = [figures[shape][peer]["median"] / figures[shape][name]["median"] for shape in SHAPES]
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            print(f"{name} beside {peer}: {', '.join(f'{r:.2f}' for r in ratios)}; geometric mean {mean:.2f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
