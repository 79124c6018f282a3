"""Checks and times Lathe's packages on a CUDA device.

    run.sh --out DIR [--device=cuda:0] [--cuda-driver=PATH] [--quick] [--parts LIST] [--models TEXT] [--budget SECONDS]

Writes DIR/results.json, DIR/table.md and DIR/roofline.svg. A part that fails is recorded and the rest goes on. With
--resume, what DIR/results.json has of the same device is kept, and only what is missing is run.
"""
import argparse
import array
import json
import os
import pathlib
import platform
import random
import shutil
import sys
import tarfile
import time
import traceback

import cases
import inputs
import limits
import measure
import npy
import report
from process import Failure, Peers, call

ROOT = pathlib.Path(__file__).resolve().parent.parent
PARTS = ["conformance", "outputs", "large", "bench", "padded"]
LARGE = [(8, 128), (3, 200), (1, 512)]  # sizes that fill whole tiles and end within one, beyond those of stored outputs


def check_large(run, lathe_run, models, timeout, folder):
    """Sizes whose outputs are too large to carry: the device against the CPU's code in the same package, here."""
    total, failures = 0, {}
    for name, model in models.items():
        if not model["cpu"]:
            continue
        package = ROOT / "models" / name / "model.lathe"
        for batch, sequence in [(4, None)] if "tokens" in model else LARGE:
            title = f"{name}/{batch}x{sequence or model['tokens']}"
            total += 1
            try:
                info = inputs.describe(lathe_run, package)
                sizes = inputs.sizes(info, batch, sequence)
                lengths = inputs.filled(batch, sequence, 0.8) if sequence else None
                names = inputs.write(info, sizes, lengths, folder / "in")
                given = [f"--input={x}={folder}/in/input_{i}.npy" for i, x in enumerate(names)]
                call(lathe_run, "run", package, *given, "--device=cpu", "--output-dir", folder / "cpu", timeout=timeout)
                call(*run[0], package, *given, "--output-dir", folder / "cuda", *run[1], timeout=timeout)
                for file in cases.output_files([x["name"] for x in info["outputs"]]):
                    error = npy.relative_error(npy.read(folder / "cuda" / file), npy.read(folder / "cpu" / file))
                    if not error <= model["bound"]:
                        raise Failure(f"relative error {error:.2e}, bound {model['bound']:.2e}")
            except (Failure, KeyError, OSError, ValueError) as failure:
                failures[title] = str(failure)
    return {"pass": total - len(failures), "total": total, "failures": failures}


def write_graphs(models, folder):
    """The ONNX graphs with a made-up file of weights beside them, for ONNX Runtime. Their paths, by model."""
    paths = {}
    block = array.array("f", [random.uniform(-0.02, 0.02) for _ in range(1 << 18)]).tobytes()
    for name, model in models.items():
        if "graph" not in model:
            continue
        place = folder / model["graph"]
        place.mkdir(parents=True, exist_ok=True)
        (place / "model.onnx").write_bytes((ROOT / "models" / "graphs" / model["graph"] / "model.onnx").read_bytes())
        if not (place / "weights.bin").exists():
            with open(place / "weights.bin", "wb") as file:
                for _ in range(model["weight_bytes"] // len(block) + 8):  # offsets may be rounded up
                    file.write(block)
        paths[name] = str(place / "model.onnx")
    return paths


class Suite:
    def __init__(self, options):
        self.options = options
        self.lathe_run = ROOT / "bin" / "lathe-run"
        self.device_flags = [f"--device={options.device}"]
        self.device_flags += [f"--cuda-driver={options.cuda_driver}"] if options.cuda_driver else []
        self.run = ([self.lathe_run, "run"], self.device_flags)
        manifest = json.loads((ROOT / "models" / "manifest.json").read_text())
        self.models = {name: model for name, model in manifest.items() if options.models in name}
        self.peers, self.peer_engines, self.graphs = Peers(ROOT / "suite" / "peers.py"), None, {}
        self.deadline = time.monotonic() + options.budget if options.budget else None
        self.results = {"device": self.device(), "machine": self.machine(), "software": {}, "models": manifest,
                        "quick": options.quick, "checks": {}, "bench": {}, "padded": {}, "errors": []}  # fmt: skip
        self.path = options.out / "results.json"
        if options.resume and self.path.exists():
            old = json.loads(self.path.read_text())
            if old["device"].get("name") == self.results["device"].get("name"):
                for key in ("checks", "bench", "padded"):
                    self.results[key] = old[key]

    def device(self):
        """Its name and properties; an error where no package runs there."""
        for package in sorted((ROOT / "models").glob("*/model.lathe"), key=lambda path: path.stat().st_size):
            try:
                info = inputs.describe(self.lathe_run, package)
                shapes = inputs.bind(info, {x["name"]: x["min"] or 1 for x in info["symbols"]})
                spec = ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in shapes.items())
                text = call(self.lathe_run, "bench", package, f"--shapes={spec}", "--iterations=1", "--warmup=1", "--json=-",
                            *self.device_flags, timeout=self.options.timeout)  # fmt: skip
                figures = json.loads(text)["device"]
                return {key: figures[key] for key in ("name", "sm", "processors", "memory_bytes", "driver")}
            except (Failure, KeyError, ValueError) as failure:
                error = str(failure)
        return {"name": "", "error": error}

    def machine(self):
        cpu = "unknown"
        try:
            lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
            cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
        except OSError:
            pass
        return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}

    def save(self):
        (self.options.out / "table.md").write_text(report.markdown(self.results) + "\n")
        (self.options.out / "roofline.svg").write_text(report.roofline(self.results))
        scratch = self.path.with_suffix(".tmp")
        scratch.write_text(json.dumps(self.results, indent=1) + "\n")
        scratch.replace(self.path)

    def check(self, name, run):
        if name in self.results["checks"]:
            return
        begin = time.monotonic()
        answer = self.results["checks"][name] = run()
        for case, why in answer["failures"].items():
            print(f"{name}/{case}: FAIL {why}", flush=True)
        print(f"{name}: {answer['pass']} of {answer['total']} pass ({time.monotonic() - begin:.0f} s)", flush=True)

    def conformance(self):
        place = self.options.out / "scratch" / "conformance"
        shutil.rmtree(place, ignore_errors=True)
        with tarfile.open(ROOT / "conformance" / "cases.tar.xz") as archive:
            archive.extractall(place, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        for folder in sorted(place.iterdir()):
            self.check(f"conformance {folder.name}", lambda: cases.run_cases(
                self.run, folder, self.options.jobs, self.options.timeout, self.options.quick))  # fmt: skip
            self.save()

    def outputs(self):
        self.check("stored outputs", lambda: cases.run_cases(
            self.run, ROOT / "models", 1, self.options.timeout, self.options.quick, self.models))  # fmt: skip

    def large(self):
        folder = self.options.out / "scratch"
        if not self.options.quick:
            self.check("against the CPU", lambda: check_large(
                self.run, self.lathe_run, self.models, self.options.timeout, folder))  # fmt: skip

    def engines(self):
        """The peers that this machine has; their graphs are made on the way."""
        if self.peer_engines is not None:
            return self.peer_engines
        self.peer_engines = []
        if self.options.no_peers:
            return []
        try:
            self.results["software"] = self.peers.ask(180, op="what")
        except Failure as failure:
            self.results["software"] = {"error": str(failure)}
        self.peer_engines = self.results["software"].get("engines", [])
        if report.ORT in self.peer_engines:
            self.graphs = write_graphs(self.models, self.options.out / "scratch" / "graphs")
        return self.peer_engines

    def timing(self):
        seconds, rounds = (0, 1) if self.options.quick else (self.options.seconds, 3)
        return measure.Options(self.lathe_run, self.device_flags, seconds, rounds, self.options.timeout,
                               self.options.peer_timeout, self.deadline)  # fmt: skip

    def cell(self, place, key, name, batch, sequence, lengths=None):
        """Measures one cell unless it is there or the time is up."""
        timing = self.timing()
        if "ms" in place.get(key, {}).get("Lathe", {}) or timing.over():
            return
        model = self.models[name]
        # Peers run in fp16: they stand beside packages of that precision.
        engines = self.engines() if model["precision"] == "fp16" else []
        model = {**model, "graph": self.graphs[name]} if name in self.graphs else model
        package = ROOT / "models" / name / "model.lathe"
        place[key] = measure.measure(timing, self.peers, engines, package, model, batch, sequence, lengths)
        shown = ", ".join(f"{engine} {report.number(x)}" for engine, x in place[key].items())
        print(f"{name} {key}: {shown}", flush=True)
        self.save()

    def bench(self):
        names = sorted(self.models, key=lambda name: (self.models[name]["precision"] != "fp16", name))
        shapes = {name: measure.shapes_of(self.models[name], self.options.quick) for name in names}
        for turn in range(max(map(len, shapes.values()), default=0)):  # all models' first shapes before the second
            for name in names:
                if turn < len(shapes[name]):
                    batch, sequence = shapes[name][turn]
                    self.cell(self.results["bench"].setdefault(name, {}), f"{batch}x{sequence}", name, batch, sequence)

    def padded(self):
        batch, sequence = (2, 8) if self.options.quick else (32, 128)
        for name, model in self.models.items():
            if model["precision"] == "fp16" and "tokens" not in model:
                place = self.results["padded"].setdefault(name, {})
                self.cell(place, f"{batch}x{sequence} full", name, batch, sequence)
                lengths = inputs.filled(batch, sequence, 0.5)
                self.cell(place, f"{batch}x{sequence} half", name, batch, sequence, lengths)

    def go(self):
        for part in self.options.parts.split(","):
            try:
                getattr(self, part)()
            except Exception as error:  # whatever it is: the other parts go on
                traceback.print_exc()
                self.results["errors"].append(f"{part}: {type(error).__name__}: {error}")
            self.save()
        self.peers.close()
        checks = self.results["checks"].values()
        passed, total = (sum(check[key] for check in checks) for key in ("pass", "total"))
        print(f"results: {self.options.out}")
        print(f"gpu-suite: {passed} of {total} checks pass", flush=True)
        checking = not {"conformance", "outputs", "large"}.isdisjoint(self.options.parts.split(","))
        return passed < total or (checking and total == 0) or bool(self.results["errors"])


def main():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--cuda-driver", help="library of the CUDA driver")
    parser.add_argument("--quick", action="store_true", help="one binding of each case, one small shape, two runs of it")
    parser.add_argument("--parts", default=",".join(PARTS), help="of %(default)s")
    parser.add_argument("--models", default="", help="only models whose name contains this")
    parser.add_argument("--budget", type=float, default=0, help="seconds after which no further timing starts")
    parser.add_argument("--seconds", type=float, default=0.5, help="of timing for each engine in each of three rounds")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one command")
    parser.add_argument("--peer-timeout", type=float, default=400, help="seconds for one step of a peer, as torch.compile")
    parser.add_argument("--jobs", type=int, default=min(8, len(os.sched_getaffinity(0))), help="conformance cases at a time")
    parser.add_argument("--no-peers", action="store_true", help="time Lathe alone")
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.parts.split(",")) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; parts are {', '.join(PARTS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    sys.exit(Suite(options).go())


if __name__ == "__main__":
    main()
