#!/usr/bin/env python3
"""Compresses models in the ways of two tables of published methods, through packages, and compares with what plain float
simulations of them reached on the same data.

    rows.py [--table sections|descriptions] [--lathe build/bin/lathe] [--models DIR] [--data DIR] [--only TEXT] [--json FILE]

Each row is a recipe, beside which stands what its simulation reached.

sections: MiniLM, statistics of the first 1,024 calibration rows, figures of the first 1,000 validation rows: mean cosine
and flips in percent. A row is reached if 1 - cosine is at most 1.15 times the simulation's and flips are within one point
of it. descriptions: a small language model, statistics of the first 64 rows, figures of the first 100: perplexity as a
multiple of fp32's. A row is reached if what that is above 1 is at most 1.15 times the simulation's.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def quantize(format, activation="none", **keys):
    keys = {"format": format, **({"activation": activation} if activation != "none" else {}), **keys}
    return stage("quantize", targets="[linear]", **keys)


def stage(name, targets="[linear]", **keys):
    fields = [f"targets: {targets}"] + [f"{key.replace('_', '-')}: {value}" for key, value in keys.items()]
    return f"  - {name}:\n      - {{{', '.join(fields)}}}\n"


def gptq(format, group=0, **keys):
    return quantize(format, group=group, method="gptq", **keys)


def channels(ratio, refit):
    return stage("prune", "[ffn]", what="channels", ratio=ratio, importance="activation", refit=refit)


def rank(value, method):
    return stage("factorize", "[attention]", rank=value, method=method, joint="false", force="true")


HEADS_AND_CHANNELS = """  - prune:
      - {targets: [attention], what: heads, ratio: 0.25, importance: activation, refit: true}
      - {targets: [ffn], what: channels, ratio: 0.5, importance: activation, refit: true}
"""

# name, stages, mean cosine and flips of the simulation (None: not known)
SECTIONS = [
    ("W8 per channel", quantize("int8"), 0.9997, 1.0),
    ("W8A8 dynamic, symmetric", quantize("int8", "dynamic-symmetric"), 0.9977, 2.6),
    ("W8A8 dynamic, unsigned", quantize("int8", "dynamic"), 0.9991, 1.48),
    ("W7A8 dynamic, unsigned", quantize("int7", "dynamic"), None, 2.2),
    ("W4 group 32 RTN", quantize("int4", group=32), 0.966, 8.2),
    ("W4 group 32 GPTQ", gptq("int4", 32), 0.990, 5.6),
    ("W4 group 32 GPTQ, scale search", gptq("int4", 32, scale_search="hessian"), 0.9918, None),
    ("W4 group 32 GPTQ, scale search, act-order", gptq("int4", 32, scale_search="hessian", act_order="true"), 0.9926, None),
    ("W4 group 128 RTN", quantize("int4", group=128), 0.952, 8.4),
    ("W4 group 128 GPTQ", gptq("int4", 128), 0.985, 5.9),
    ("W4 per channel RTN", quantize("int4"), 0.927, 12.7),
    ("W4 per channel GPTQ", gptq("int4"), 0.975, 7.2),
    ("W3 group 32 GPTQ", gptq("int3", 32), 0.943, 10.8),
    ("50 % magnitude", stage("sparsify", method="magnitude", ratio=0.5), 0.758, 22.7),
    ("50 % Wanda", stage("sparsify", method="wanda", ratio=0.5), 0.894, 15.3),
    ("50 % SparseGPT", stage("sparsify", method="sparsegpt", ratio=0.5), 0.944, 10.4),
    ("2:4 magnitude", stage("sparsify", method="magnitude", pattern='"2:4"'), 0.643, 31.4),
    ("2:4 Wanda", stage("sparsify", method="wanda", pattern='"2:4"'), 0.786, 23.1),
    ("2:4 SparseGPT", stage("sparsify", method="sparsegpt", pattern='"2:4"'), 0.901, 14.2),
    ("attention rank 64, SVD", rank(64, "svd"), 0.678, 35.8),
    ("attention rank 64, whitened", rank(64, "whitened"), 0.835, 22.5),
    ("attention rank 128, SVD", rank(128, "svd"), 0.816, 19.0),
    ("attention rank 128, whitened", rank(128, "whitened"), 0.930, 9.9),
    ("attention rank 192, SVD", rank(192, "svd"), 0.910, 11.7),
    ("attention rank 192, whitened", rank(192, "whitened"), 0.975, 5.7),
    ("FFN channels -25 %, dropped", channels(0.25, "false"), 0.937, 11.4),
    ("FFN channels -25 %, refit", channels(0.25, "true"), 0.983, 5.9),
    ("FFN channels -50 %, dropped", channels(0.5, "false"), 0.842, 19.4),
    ("FFN channels -50 %, refit", channels(0.5, "true"), 0.952, 11.5),
    ("heads -25 %, FFN -50 %, refit", HEADS_AND_CHANNELS, 0.931, None),
    ("W8A8 static, min-max", quantize("int8", "static"), 0.9936, 3.76),
    ("W8A8 static, MSE", quantize("int8", "static", observer="mse"), 0.9940, 3.68),
    ("W8A8 static, percentile 99.99", quantize("int8", "static", observer="percentile", percentile=99.99), None, 3.84),
    ("W8A8 static, min-max, symmetric", quantize("int8", "static-symmetric"), None, 5.76),
]


# name, stages, perplexity of the simulation as a multiple of fp32's
DESCRIPTIONS = [
    ("W8 per channel", quantize("int8"), 0.9999),
    ("W8A8 dynamic, symmetric", quantize("int8", "dynamic-symmetric"), 1.0004),
    ("W8A8 dynamic, unsigned", quantize("int8", "dynamic"), None),
    ("W4 group 32 RTN", quantize("int4", group=32), 1.0071),
    ("W4 group 32 GPTQ", gptq("int4", 32), 1.0045),
    ("W4 group 32 GPTQ, scale search, act-order", gptq("int4", 32, scale_search="hessian", act_order="true"), None),
    ("W4 group 64 RTN", quantize("int4", group=64), 1.0076),
    ("W4 group 64 GPTQ", gptq("int4", 64), 1.0039),
    ("W3 group 32 RTN", quantize("int3", group=32), 1.042),
    ("W3 group 32 GPTQ", gptq("int3", 32), 1.0185),
    ("50 % magnitude", stage("sparsify", method="magnitude", ratio=0.5), 1.084),
    ("50 % SparseGPT", stage("sparsify", method="sparsegpt", ratio=0.5), 1.038),
    ("2:4 magnitude", stage("sparsify", method="magnitude", pattern='"2:4"'), 1.246),
    ("2:4 SparseGPT", stage("sparsify", method="sparsegpt", pattern='"2:4"'), 1.095),
]


def run(command):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"rows.py: {' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


class Table:
    """What the tables have in common: a model, its data, packages of it in a temporary folder."""

    def __init__(self, options, folder, model, calibration_samples, samples, flags=()):
        self.options, self.folder, self.model, self.flags = options, folder, options.models / model, list(flags)
        self.data = options.data / options.table
        self.calibration_samples, self.samples = calibration_samples, samples
        self.base = self.compile(None)

    def compile(self, stages):
        package, flags = self.folder / ("row.lathe" if stages else "base.lathe"), []
        if stages:
            recipe = self.folder / "recipe.yaml"
            recipe.write_text("stages:\n" + stages)
            flags = [f"--recipe={recipe}", f"--calibration={self.data / 'calibration'}",
                     f"--calibration-samples={self.calibration_samples}"]
        run([self.options.lathe, "compile", self.model, f"--target={self.options.target}", "--quiet", "-o", package,
             *self.flags, *flags])
        return package

    def evaluate(self, package, metric, *more):
        """The figures' values by name."""
        out = self.folder / "out.json"
        run([self.options.lathe, "evaluate", package, f"--data={self.data / 'validation'}", f"--metric={metric}",
             f"--against={self.base}", f"--samples={self.samples}", f"--json={out}", *more])
        return {name: figure["value"] for name, figure in json.loads(out.read_text())["figures"].items()}

    def get_size(self, package):
        return package.stat().st_size / self.base.stat().st_size


def show_sections(options, folder):
    table = Table(options, folder, "minilm/embedding.onnx", 1024, 1000)
    print("| method | cosine | simulation | flips | simulation | points | size | |\n|---|---|---|---|---|---|---|---|")
    for name, stages, cosine, flips in SECTIONS:
        if options.only not in name:
            continue
        package = table.compile(stages)
        got = table.evaluate(package, "cosine")["cosine.mean"]
        labelled = table.evaluate(package, "accuracy", f"--head-weight={table.data / 'head_weight.npy'}",
                                  f"--head-bias={table.data / 'head_bias.npy'}")
        changed, points = 100 * labelled["flips"], 100 * labelled["accuracy.difference"]
        reached = (cosine is None or 1 - got <= 1.15 * (1 - cosine) + 5e-5) and (flips is None or changed <= flips + 1)
        print(f"| {name} | {got:.4f} | {cosine or ''} | {changed:.2f} % | {flips or ''} | {points:+.2f} | "
              f"{table.get_size(package):.3f} | {'' if reached else '**missed**'} |", flush=True)
        yield {"name": name, "cosine": got, "bytes": package.stat().st_size, **labelled}


def show_descriptions(options, folder):
    table = Table(options, folder, "descriptions-lm/model.onnx", 64, 100, ["--dim=past_sequence_length=0"])
    print("| method | perplexity, × fp32 | simulation | size | |\n|---|---|---|---|---|")
    for name, stages, expected in DESCRIPTIONS:
        if options.only not in name:
            continue
        package = table.compile(stages)
        figures = table.evaluate(package, "perplexity")
        got = figures["perplexity.ratio"]
        reached = expected is None or got - 1 <= max(1.15 * (expected - 1), expected - 1) + 5e-5
        print(f"| {name} | {got:.4f} | {expected or ''} | {table.get_size(package):.3f} | "
              f"{'' if reached else '**missed**'} |", flush=True)
        yield {"name": name, "bytes": package.stat().st_size, **figures}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", choices=["sections", "descriptions"], default="sections")
    parser.add_argument("--lathe", type=pathlib.Path, default=ROOT / "build" / "bin" / "lathe")
    models = pathlib.Path(os.environ.get("LATHE_MODELS", ROOT / "build" / "models"))
    parser.add_argument("--models", type=pathlib.Path, default=models)
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--target", default="cpu:x86-64-v3")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name contains this")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    show = show_sections if options.table == "sections" else show_descriptions
    with tempfile.TemporaryDirectory() as folder:
        records = list(show(options, pathlib.Path(folder)))
    if options.json:
        options.json.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
