"""Whether what each weight is there for is found in exported models: counts the kinds that --lathe-classify-weights tells.

    weight-kinds.py MODELS/corpus [--bin build/bin]

All of a family's fp32 models have the same Transformer, of two layers, so the counts are known; exporters and caches must
not change them. Prints a line for each model that differs, and how many agree. Exit code 1 where one differs.
"""
import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

LAYER = ["attention.q", "attention.k", "attention.v", "attention.output", "ffn.up", "ffn.down"]
GATED = LAYER + ["ffn.gate"]
CROSS = LAYER + ["attention.q", "attention.k", "attention.v", "attention.output"]
CACHED_CROSS = LAYER + ["attention.q", "attention.output"]  # keys and values of the encoder are inputs
UNREAD = ["merged", "genai"]  # what the importer doesn't take yet
HEADS = {"sequence_classification": 1, "question_answering": 2, "image_classification": 1}  # starts and ends are split


def expected(name):
    """Kinds that each of the two layers has, and the number of heads; None where a family is left out."""
    family, model = name.split("/")
    kind = model.split("-")[0]
    if family in ("llama", "mistral", "qwen2"):
        return GATED, 1
    if family in ("t5", "whisper"):
        cached = kind == "decoder_with_past"
        layer = LAYER if kind == "encoder" else CACHED_CROSS if cached else CROSS
        return layer + ["ffn.gate"] * (family == "t5"), int(kind != "encoder")
    return LAYER, 1 if family == "gpt2" else HEADS.get(kind, 0)


def count(options, name):
    """Kinds by how many weights have them, and layers; or None with what went wrong."""
    model = options.corpus / name / "model.onnx"
    done = subprocess.run([options.bin / "lathe", "compile", model, "--compile-to=simplify"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120)
    if done.returncode:
        return None, done.stderr.decode(errors="replace").splitlines()[:1]
    done = subprocess.run([options.bin / "lathe-opt", "--lathe-classify-weights"], input=done.stdout,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    if done.returncode:
        return None, done.stderr.decode(errors="replace").splitlines()[:1]
    kinds, layers = collections.Counter(), collections.Counter()
    for weight in re.finditer(r"tfm.kinds = \[([^\]]*)\](?:, tfm.layer = (\d+))?", done.stdout.decode()):
        for kind in re.findall(r'"([^"]+)"', weight[1]):
            kinds[kind] += 1
            if kind.startswith(("attention", "ffn")):
                layers[kind, weight[2]] += 1
    return kinds, layers


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/bin"))
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    agree, tried = 0, 0
    for meta in sorted(options.corpus.glob("*/*/meta.json")):
        name = str(meta.parent.relative_to(options.corpus))
        if json.loads(meta.read_text())["precision"] != "fp32" or any(word in name for word in UNREAD) or options.only not in name:
            continue
        tried += 1
        kinds, layers = count(options, name)
        if kinds is None:
            print(f"{name}: {layers}")
            continue
        layer, heads = expected(name)
        wrong = []
        for kind in sorted(set(LAYER + GATED)):
            for index in "01":
                got, want = layers[kind, index], layer.count(kind)
                if got != want:
                    wrong.append(f"{got} {kind} in layer {index} for {want}")
        if kinds["head"] != heads:
            wrong.append(f"{kinds['head']} heads for {heads}")
        if sum(layers.values()) != 2 * len(layer):
            wrong.append(f"{sum(layers.values())} weights in layers for {2 * len(layer)}")
        if wrong:
            print(f"{name}: {'; '.join(wrong)}")
        agree += not wrong
    print(f"{agree} of {tried} models agree")
    return agree != tried


sys.exit(main())
