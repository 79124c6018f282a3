#!/usr/bin/env python3
"""Compresses MiniLM in the ways of a table of published methods, through packages, and compares with what plain float
simulations of them reached on the same data.

    rows.py [--lathe build/bin/lathe] [--models DIR] [--data DIR] [--samples 1000] [--only TEXT] [--json FILE]

Each row is a recipe; its statistics are of the first 1,024 calibration rows, its figures of the first `samples`
validation rows. `expected` is the simulation's mean cosine and flips in percent. A row is reached if 1 - cosine is at most
1.15 times the simulation's and flips are within one point of it.
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
ROWS = [
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


def run(command):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"rows.py: {' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lathe", type=pathlib.Path, default=ROOT / "build" / "bin" / "lathe")
    models = pathlib.Path(os.environ.get("LATHE_MODELS", ROOT / "build" / "models"))
    parser.add_argument("--models", type=pathlib.Path, default=models)
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared" / "data" / "sections")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--target", default="cpu:x86-64-v3")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name contains this")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    model, records = options.models / "minilm" / "embedding.onnx", []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        base = folder / "base.lathe"
        run([options.lathe, "compile", model, f"--target={options.target}", "--quiet", "-o", base])
        print("| method | cosine | simulation | flips | simulation | points | size | |\n|---|---|---|---|---|---|---|---|")
        for name, stages, cosine, flips in ROWS:
            if options.only not in name:
                continue
            (folder / "recipe.yaml").write_text("stages:\n" + stages)
            package = folder / "row.lathe"
            run([options.lathe, "compile", model, f"--target={options.target}", f"--recipe={folder / 'recipe.yaml'}",
                 f"--calibration={options.data / 'calibration'}", "--calibration-samples=1024", "--quiet", "-o",
                 package])

            def evaluate(metric, *more):
                run([options.lathe, "evaluate", package, f"--data={options.data / 'validation'}", f"--metric={metric}",
                     f"--against={base}", f"--samples={options.samples}", f"--json={folder / 'out.json'}", *more])
                return json.loads((folder / "out.json").read_text())

            similar = evaluate("cosine")
            labelled = evaluate("accuracy", f"--head-weight={options.data / 'head_weight.npy'}",
                                f"--head-bias={options.data / 'head_bias.npy'}")
            record = {"name": name, "cosine": similar, "accuracy": labelled, "bytes": package.stat().st_size}
            records.append(record)
            got, changed, points = read(similar, labelled)
            reached = (cosine is None or 1 - got <= 1.15 * (1 - cosine) + 5e-5) and (
                flips is None or changed <= flips + 1)
            print(f"| {name} | {got:.4f} | {cosine or ''} | {changed:.2f} % | {flips or ''} | {points:+.2f} | "
                  f"{package.stat().st_size / base.stat().st_size:.3f} | {'' if reached else '**missed**'} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps(records, indent=1) + "\n")


def read(similar, labelled):
    """Mean cosine, flips in percent, change of accuracy in points."""
    figures = labelled["figures"]
    return (similar["figures"]["cosine.mean"]["value"], 100 * figures["flips"]["value"],
            100 * figures["accuracy.difference"]["value"])


if __name__ == "__main__":
    main()
