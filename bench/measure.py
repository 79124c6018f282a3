"""Measures in a process of its own, which pins itself first and prints one JSON document.

    python measure.py latency CORES SECONDS FILES...   all engines in turn on every workload, interleaved
    python measure.py load ENGINE FILES...             one engine: load, first run, memory, libraries

CORES is a comma-separated list; FILES are the model as ONNX, as a package, liblathe.so and the library of fma_peak.c.
"""
import ctypes
import json
import os
import pathlib
import sys
import time

import numpy as np

from engines import ENGINES, Files

VOCABULARY = 30522
# Token counts of the first sixteen synopses of the validation set that the project's accuracy is measured on (Debian
# package descriptions), and of sixteen passages of one to sixteen such synopses.
SENTENCES = [15, 13, 13, 7, 12, 6, 17, 19, 9, 9, 5, 14, 15, 13, 11, 12]
PASSAGES = [13 * count + 2 for count in [4, 11, 1, 7, 16, 2, 9, 5, 13, 3, 8, 14, 6, 10, 12, 15]]

WORKLOADS = {
    "1x16": [16],
    "1x128": [128],
    "8x128": [128] * 8,
    "1x512": [512],
    "16 sentences": SENTENCES,
    "16 passages": PASSAGES,
}


def make_inputs(lengths):
    """Random tokens for sentences of these lengths, padded to the longest."""
    random = np.random.default_rng(0)
    shape = (len(lengths), max(lengths))
    mask = (np.arange(shape[1])[None] < np.array(lengths)[:, None]).astype(np.int64)
    ids = random.integers(1000, VOCABULARY, shape) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, np.int64)}


def timed(run):
    begin = time.perf_counter()
    run()
    return (time.perf_counter() - begin) * 1e3


def measure_workload(engines, lengths, seconds):
    """Milliseconds of each run, by engine. Rounds go through the engines in rotating order; in each round an engine runs
    for about a tenth of a second behind one run that is not counted, for the others have emptied its caches."""
    feeds = make_inputs(lengths)
    outputs, bursts = {}, {}
    for name, engine in engines.items():
        engine.set_inputs(feeds)
        engine.run()
        outputs[name] = np.array(engine.output())
        bursts[name] = max(1, int(100 / max(min(timed(engine.run) for _ in range(3)), 0.01)))
    reference = outputs["ONNX Runtime"]  # in f32
    errors = {name: float(np.abs(output - reference).max()) for name, output in outputs.items()}

    samples = {name: [] for name in engines}
    names = list(engines)
    begin = time.perf_counter()
    rounds = 0
    while rounds < 5 or time.perf_counter() - begin < seconds:
        for name in names[rounds % len(names) :] + names[: rounds % len(names)]:
            engines[name].run()
            samples[name] += [timed(engines[name].run) for _ in range(bursts[name])]
        rounds += 1
    return samples, errors


def latency(cores, seconds, files, peak_library):
    os.sched_setaffinity(0, cores)
    peak = ctypes.CDLL(peak_library).lathe_fma_peak
    peak.restype, peak.argtypes = ctypes.c_double, [ctypes.c_double]
    engines = {name: make(files, len(cores)) for name, make in ENGINES.items()}
    result = {
        "cores": sorted(cores),
        "versions": {name: engine.version for name, engine in engines.items()},
        "target": engines["Lathe"].target,
        "workloads": {},
    }
    for workload, lengths in WORKLOADS.items():
        peak_before = peak(0.3)
        samples, errors = measure_workload(engines, lengths, seconds)
        result["workloads"][workload] = {
            "shape": [len(lengths), max(lengths)],
            "tokens": sum(lengths),
            "fma_peak_gflops": max(peak_before, peak(0.3)),
            "max_abs_error": errors,
            "latency_ms": {
                name: {
                    "runs": len(times),
                    **{p: float(np.percentile(times, q)) for p, q in [("min", 0), ("median", 50), ("p99", 99)]},
                }
                for name, times in samples.items()
            },
        }
    return result


def status_kib(field):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])


def mapped_libraries(engine):
    """The engine's own shared libraries that this process has mapped, with their sizes: what a program must ship."""
    paths = {line.split(maxsplit=5)[5].strip() for line in open("/proc/self/maps") if line.count("/")}
    part = f"/{engine.folder}/" if engine.folder != "lathe" else "/liblathe"
    return {
        pathlib.Path(path).name: os.path.getsize(path)
        for path in paths
        if part in path and ".so" in path and os.path.exists(path)
    }


def load(name, files):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    feeds = make_inputs([128])
    engine = ENGINES[name]
    if name == "ONNX Runtime":  # loading the library is not loading the model
        import onnxruntime
    elif name == "OpenVINO":
        import openvino
    before = status_kib("VmRSS")
    begin = time.perf_counter()
    made = engine(files, 1)
    load_ms = (time.perf_counter() - begin) * 1e3
    made.set_inputs(feeds)
    first_ms = timed(made.run)
    for _ in range(3):
        made.run()
    return {
        "load_ms": load_ms,
        "first_run_ms": first_ms,
        "memory_bytes": (status_kib("VmHWM") - before) * 1024,
        "libraries": mapped_libraries(engine),
    }


if __name__ == "__main__":
    what, which = sys.argv[1:3]
    if what == "latency":
        *paths, peak_library = map(pathlib.Path, sys.argv[4:])
        cores = {int(core) for core in which.split(",")}
        print(json.dumps(latency(cores, float(sys.argv[3]), Files(*paths), peak_library)))
    else:
        print(json.dumps(load(which, Files(*map(pathlib.Path, sys.argv[3:6])))))
