"""Makes the folder of the GPU suite: packages, expected outputs, lathe-run and the scripts that run them elsewhere.

    python make.py --bin build/bin --models MODELS --out DIR [--targets cuda:sm_90a,...] [--precisions fp32,fp16] ...

Models of real size carry no weights: --weights=random makes them up at load, the same on every device. Their expected
outputs are those of the CPU's code in the same package. What may differ, as |got - expected| / |expected| in Euclidean
norms: test/e2e/precision-error.py derives 3 u sqrt(S) for S contractions in 16 bits against f32. Of its three roundings the
weights' is the same here in both; the other two are made twice: sqrt(2) 2 u, less than 3 u. So the bound is the same. It
also holds for tf32 against f32. For f32 against f32 the sums' roundings are all there is, in different orders: u sqrt(K) of
each, for K terms (Higham and Mary), twice: 2 u sqrt(K S).
"""
import argparse
import json
import lzma
import math
import os
import pathlib
import re
import shutil
import sys
import tarfile
import tempfile

import inputs
from process import Failure, call

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 25_000_000  # bytes, all files together
CASE_BYTES = 24 << 10  # of a case's arrays, in one precision
CARRIED = ["suite.py", "cases.py", "inputs.py", "limits.py", "measure.py", "npy.py", "peers.py", "process.py", "report.py"]
ROUNDOFF = {"fp32": 2.0**-24, "tf32": 2.0**-11, "fp16": 2.0**-11, "bf16": 2.0**-8}

BERT = {"kind": "bert", "layers": 12, "hidden": 768, "heads": 12, "ffn": 3072}
MODELS = {
    "minilm": {**BERT, "layers": 6, "hidden": 384, "ffn": 1536, "pool": True},
    "bert-base": BERT,
    "bert-large": {**BERT, "layers": 24, "hidden": 1024, "heads": 16, "ffn": 4096},
    "vit-b16": {**BERT, "kind": "vit", "tokens": 197},
    # For tests of the suite itself; its weights are in its file.
    "tiny": {**BERT, "layers": 2, "hidden": 64, "heads": 4, "ffn": 128},
}
PRECISIONS = {"minilm": ["fp32", "tf32", "fp16", "bf16"]}  # of the others fp16
STORED = [(1, 16), (3, 7)]  # batch, sequence of expected outputs; images: batch 1 and 2


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def put_varint(value):
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def fields(data):
    """(number, bytes with the tag, value) of each field of a protobuf message."""
    at = 0
    while at < len(data):
        begin = at
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        else:
            size, at = varint(data, at) if tag & 7 == 2 else ({1: 8, 5: 4}[tag & 7], at)
            value, at = data[at : at + size], at + size
        yield tag >> 3, data[begin:at], value


def put(number, content):
    return put_varint(number << 3 | 2) + put_varint(len(content)) + content


def external_weights(model):
    """An ONNX model whose f32 initializers of 1 KiB or more are in a file weights.bin that nobody has; and its bytes."""
    total = 0

    def strip(tensor):
        nonlocal total
        parts = list(fields(tensor))
        dims = [n for number, _, value in parts if number == 1 for n in (unpack(value) if isinstance(value, bytes) else [value])]
        kind = next((value for number, _, value in parts if number == 2), 0)
        size = 4 * math.prod(dims)
        if kind != 1 or size < 1024:
            return tensor
        where = {b"location": b"weights.bin", b"offset": str(total).encode(), b"length": str(size).encode()}
        total += size
        # Neither float_data, raw_data nor doc_string; data_location is EXTERNAL.
        kept = b"".join(whole for number, whole, _ in parts if number not in (4, 9, 12, 13, 14))
        return kept + b"".join(put(13, put(1, key) + put(2, value)) for key, value in where.items()) + b"\x70\1"

    def unpack(packed):
        at = 0
        while at < len(packed):
            value, at = varint(packed, at)
            yield value

    graph = lambda content: b"".join(put(5, strip(value)) if number == 5 else whole for number, whole, value in fields(content))
    return b"".join(put(7, graph(value)) if number == 7 else whole for number, whole, value in fields(model)), total


def drop_large_bindings(cases):
    """Of each case the first binding stays, and of the others, from the least on, those that CASE_BYTES have room for: parts
    `large` and `outputs` have large ones."""

    def size(binding):
        return sum(array.stat().st_size for array in binding.glob("*.npy"))

    kept = count = 0
    for case in cases.glob("*/*"):
        left = CASE_BYTES
        for binding in sorted(case.glob("binding_*"), key=lambda x: (x.name != "binding_0", size(x), x.name)):
            left -= size(binding)
            count += 1
            if left < 0 and binding.name != "binding_0":
                shutil.rmtree(binding)
            else:
                kept += 1
    print(f"{kept} of {count} bindings", flush=True)


def link_equal_arrays(cases):
    """Precisions have most arrays in common: an archive holds links once."""
    held = {}
    for array in sorted(cases.rglob("*.npy")):
        first = held.setdefault(array.read_bytes(), array)
        if first is not array:
            array.unlink()
            os.link(first, array)


class Maker:
    def __init__(self, options):
        self.options, self.lathe, self.lathe_run = options, options.bin / "lathe", options.bin / "lathe-run"
        self.manifest = {}

    def source(self, name):
        """The path of the ONNX model, and the bytes of its weights where their file is missing, else None."""
        models, scratch = self.options.models, self.options.scratch
        if name == "tiny":
            return models / "corpus" / "bert" / "base-torchscript17" / "model.onnx", None
        if name != "minilm":
            meta = json.loads((models / "shapes" / name / "meta.json").read_text())
            return models / "shapes" / name / "model.onnx", meta["weight_bytes"]
        places = [self.options.graph, models / "minilm" / "embedding.graph.onnx", models / "minilm" / "embedding.onnx"]
        whole = next((place for place in places if place and place.exists()), None)
        if not whole:
            raise Failure("no embedding.onnx of MiniLM; --minilm names it")
        graph, size = external_weights(whole.read_bytes())
        (scratch / "minilm.onnx").write_bytes(graph)
        return scratch / "minilm.onnx", size

    def compile(self, model, *words):
        nvrtc = [f"--nvrtc={self.options.nvrtc}"] if self.options.nvrtc else []
        return call(self.lathe, "compile", model, "--quiet", "--weights=random:1", *nvrtc, *words, timeout=1800)

    def add_model(self, name, precision):
        title, about = f"{name}-{precision}", MODELS[name]
        print(f"{title} ...", flush=True)
        model, weight_bytes = self.source(name)
        folder = self.options.out / "models" / title
        folder.mkdir(parents=True)
        has_cpu = precision != "tf32"  # which CPUs have not
        targets = (["cpu:x86-64-v3"] if has_cpu else []) + self.options.targets.split(",")
        flags = [f"--precision={precision}"]
        self.compile(model, *flags, f"--target={','.join(targets)}", "-o", folder / "model.lathe")
        ir = self.compile(model, *flags, "--compile-to=compress")
        stages = len(re.findall(r"= tfm\.(?:linear|matmul|conv) ", ir)) + 2 * len(re.findall(r"= tfm\.attention ", ir))
        u = ROUNDOFF[precision]
        bound = 2 * u * math.sqrt(about["ffn"] * stages) if precision == "fp32" else 3 * u * math.sqrt(stages)
        entry = {**about, "precision": precision, "cpu": has_cpu, "stages": stages, "bound": bound}
        if weight_bytes:
            entry.update(graph=name, weight_bytes=weight_bytes)
            graphs = self.options.out / "models" / "graphs" / name
            graphs.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(model, graphs / "model.onnx")
        self.manifest[title] = entry
        # tf32 is compared with f32, whose package comes before it.
        expecting = folder if has_cpu else self.options.out / "models" / f"{name}-fp32"
        info = inputs.describe(self.lathe_run, folder / "model.lathe")
        for number, (batch, sequence) in enumerate([(1, None), (2, None)] if "tokens" in about else STORED):
            sizes = inputs.sizes(info, batch, sequence)
            lengths = inputs.filled(batch, sequence, 1 if number == 0 else 0.7) if sequence else None
            case = folder / f"binding_{number}"
            names = inputs.write(info, sizes, lengths, case)
            given = [f"--input={x}={case}/input_{i}.npy" for i, x in enumerate(names)]
            with tempfile.TemporaryDirectory() as scratch:
                call(self.lathe_run, "run", expecting / "model.lathe", "--device=cpu", *given, "--output-dir", scratch, timeout=1200)
                outputs = [x["name"] for x in info["outputs"]]
                for i, output in enumerate(outputs):
                    shutil.move(f"{scratch}/{re.sub('[^A-Za-z0-9.-]', '_', output)}.npy", case / f"expected_{i}.npy")
            case_file = {"inputs": names, "outputs": outputs, "bound": bound, "fault": ""}
            (case / "case.json").write_text(json.dumps(case_file) + "\n")

    def add_conformance(self):
        """All cases, in one archive."""
        cases = self.options.scratch / "cases"
        for precision in self.options.precisions.split(","):
            folder = cases / precision
            folder.mkdir(parents=True)
            print(f"conformance {precision} ...", flush=True)
            print(call(self.options.bin / "lathe-test-conformance", f"--device={self.options.targets}", f"--export={folder}",
                       f"--precision={precision}", f"--filter={self.options.filter}", f"--jobs={self.options.jobs}",
                       timeout=3600).strip())  # fmt: skip
            if not any(folder.iterdir()):
                raise Failure("the conformance suite wrote no case")
        drop_large_bindings(cases)
        link_equal_arrays(cases)
        (self.options.out / "conformance").mkdir()
        # The cases' packages are alike: with a dictionary that holds them all they take a fraction of their bytes.
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 128 << 20}]
        with lzma.open(self.options.out / "conformance" / "cases.tar.xz", "w", filters=filters) as packed:
            with tarfile.open(fileobj=packed, mode="w") as archive:
                archive.add(cases, "")

    def add_programs(self):
        (self.options.out / "bin").mkdir()
        (self.options.out / "suite").mkdir()
        program = self.options.out / "bin" / "lathe-run"
        shutil.copy(self.lathe_run, program)
        call("strip", program)
        needed = set(re.findall(r"NEEDED +(\S+)", call("objdump", "-p", program)))
        if more := needed - {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}:
            raise Failure(f"lathe-run needs {', '.join(sorted(more))}")
        shutil.copy(HERE / "run.sh", self.options.out / "run.sh")
        for name in CARRIED:
            shutil.copyfile(HERE / name, self.options.out / "suite" / name)

    def make(self):
        out = self.options.out
        names = self.options.only.split(",")
        if unknown := set(names) - set(MODELS):
            raise Failure(f"no model '{sorted(unknown)[0]}', models are {', '.join(MODELS)}")
        if out.exists() and any(out.iterdir()) and not (out / "suite" / "suite.py").exists():
            raise Failure(f"'{out}' holds something else than a GPU suite; hint: name another folder with --out")
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        self.add_programs()
        for name in names:
            for precision in PRECISIONS.get(name, ["fp16"]):
                self.add_model(name, precision)
        (out / "models" / "manifest.json").write_text(json.dumps(self.manifest, indent=1) + "\n")
        self.add_conformance()
        sizes = {part.name: sum(p.stat().st_size for p in [part, *part.rglob("*")] if p.is_file()) for part in sorted(out.iterdir())}
        total = sum(sizes.values())
        print(f"{out}: {total / 1e6:.1f} MB (" + ", ".join(f"{name} {size / 1e6:.1f}" for name, size in sizes.items()) + ")")
        if total > LIMIT:
            raise Failure(f"the folder has {total} bytes, at most {LIMIT} are allowed; hint: fewer SMS or PRECISIONS")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where lathe, lathe-run and lathe-test-conformance are")
    parser.add_argument("--models", type=pathlib.Path, required=True, help="unpacked models: shapes/, corpus/, minilm/")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the folder; what is there is replaced")
    parser.add_argument("--targets", default="cuda:sm_90a")
    parser.add_argument("--precisions", default="fp32,fp16", help="of the conformance cases")
    parser.add_argument("--filter", default="", help="only conformance cases whose name contains this")
    parser.add_argument("--only", default="minilm,bert-base,bert-large,vit-b16", help="models, of " + ", ".join(MODELS))
    parser.add_argument("--minilm", dest="graph", type=pathlib.Path, help="MiniLM's graph, with or without weights")
    parser.add_argument("--nvrtc", default="")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        options.scratch = pathlib.Path(scratch)
        try:
            Maker(options).make()
        except (Failure, OSError) as failure:
            sys.exit(f"error: {failure}")


if __name__ == "__main__":
    main()
