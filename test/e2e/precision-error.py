"""Compiles exported models in 16 bits and compares what comes out with the f32 package's on the CPU, one line each.

    precision-error.py MODELS [--bin build/bin] [--only SUBSTRING,...] [--precisions fp16,bf16,mixed,tf32]
                       [--target cuda-sim] [--run-flags="--device=cuda:0 ..."]

The measure is e = |y16 - y32| / |y32|, Euclidean norms over an output. Its bound, to first order: an element of a
contraction's result is a sum of K products, whose factors are each off by u of themselves at most (2^-11 of f16, 2^-8 of
bf16), the weight for it was rounded, the value for the op before it rounded its result. Errors of products are
independent, so the sum's is 2 u sqrt(K) of a product, like the sum itself, which is sqrt(K) of one: 2 u, whatever K (as
Higham and Mary count, "A new approach to probabilistic rounding error analysis", 2019). The sum in f32 adds K 2^-24, less
than u. The result is rounded: 3 u in all. Errors of S contractions one after another add up as independent ones do:
3 u sqrt(S), if no op between makes a vector's relative error larger, as normalisations and residual sums don't on the
average; S is what the IR holds, an attention for two. And e is no less than u / 16: below that, nothing was rounded.
"""
import argparse
import array
import json
import math
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

ROUNDOFF = {"fp16": 2.0**-11, "mixed": 2.0**-11, "bf16": 2.0**-8, "tf32": 2.0**-11}
CORPUS = ["bert/base-torchscript17", "distilbert/sequence_classification-torchscript17", "electra/base-torchscript17",
          "gpt2/logits-dynamo18", "llama/logits-torchscript17", "mpnet/base-dynamo18", "roberta/base-torchscript14",
          "t5/encoder-torchscript17", "vit/image_classification-torchscript17", "whisper/encoder-dynamo18"]


def call(*words):
    done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["exit code " + str(done.returncode)])[0])
    return done.stdout


def read_floats(path):
    content = path.read_bytes()
    size = 10 + struct.unpack("<H", content[8:10])[0]
    return array.array("f", content[size:]) if b"'<f4'" in content[:size] else None


def run(options, package, inputs, folder, flags=""):
    call(options.bin / "lathe-run", "run", package, *inputs, "--output-dir", folder, *flags.split())
    return {path.name: read_floats(path) for path in sorted(folder.glob("*.npy"))}


def measure(expected, got):
    """The worst relative error of the float outputs."""
    worst = 0.0
    for name, y in expected.items():
        if y is None:
            continue
        error = math.sqrt(math.fsum((a - b)**2 for a, b in zip(got[name], y, strict=True)))
        worst = max(worst, error / math.sqrt(math.fsum(b * b for b in y)))
        if not math.isfinite(error):
            return math.inf
    return worst


def check(options, title, model, inputs, folder):
    compile_to = lambda precision, *more: call(options.bin / "lathe", "compile", model, "--precision", precision,
                                               "--quiet", *more)
    compile_to("fp32", "-o", folder / "fp32.lathe", "--target=cpu:x86-64-v3")
    expected = run(options, folder / "fp32.lathe", inputs, folder / "fp32")
    ir = compile_to("fp32", "--compile-to=compress")
    stages = len(re.findall(r"= tfm\.(?:linear|matmul|conv) ", ir)) + 2 * len(re.findall(r"= tfm\.attention ", ir))
    passed = True
    for precision in options.precisions.split(","):
        u = ROUNDOFF[precision]
        bound = 3 * u * math.sqrt(stages)
        try:
            compile_to(precision, "-o", folder / f"{precision}.lathe", "--target", options.target)
            got = run(options, folder / f"{precision}.lathe", inputs, folder / precision, options.run_flags)
            error = measure(expected, got)
        except RuntimeError as failure:
            print(f"{title} {precision}: FAIL {failure}")
            passed = False
            continue
        good = error <= bound and (error >= u / 16 or precision == "mixed")
        passed &= good
        print(f"{title} {precision}: {'ok' if good else 'FAIL'} error {error:.2e} = {error / u:.2f} u, bound {bound:.2e}, "
              f"S = {stages}")
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, default="build/bin")
    parser.add_argument("--only", default="", metavar="SUBSTRING,...")
    parser.add_argument("--precisions", default="fp16,bf16")
    parser.add_argument("--target", default="cpu:x86-64-v3")
    parser.add_argument("--run-flags", default="", help="of lathe-run; write --run-flags=..., for they begin with a dash")
    options = parser.parse_args()
    cases = []
    minilm = options.models / "minilm" / "embedding.onnx"
    for shape in ["1x16", "3x7"] if minilm.exists() else []:
        shapes = ",".join(f"{name}:{shape}" for name in ["input_ids", "attention_mask", "token_type_ids"])
        cases.append((f"minilm {shape}", minilm, ["--shapes", shapes, "--seed", "1"]))
    for name in CORPUS:
        model = options.models / "corpus" / name
        names = list(json.loads((model / "meta.json").read_text())["inputs"])
        files = [f"{name}={model}/test_data_set_0/input_{i}.pb" for i, name in enumerate(names)]
        cases.append((name, model / "model.onnx", ["--input", *files]))
    cases = [case for case in cases if any(part in case[0] for part in options.only.split(","))]
    passed = 0
    for title, model, inputs in cases:
        with tempfile.TemporaryDirectory() as folder:
            passed += check(options, title, model, inputs, pathlib.Path(folder))
            sys.stdout.flush()
    print(f"{passed} of {len(cases)} models are within their bounds")
    sys.exit(passed != len(cases) or not cases)


main()
