"""Compiles models for every SM and checks what NVRTC says of each kernel, one line for each model and precision.

    nvrtc-gate.py MODELS [--bin build/bin] [--nvrtc PATH] [--only SUBSTRING] [--all]

A kernel must need no stack frame, spill no register, keep its wgmma asynchronous (C7510), and fit into the shared memory
of the SM's blocks. Exit code 1 where one doesn't.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time

# MiniLM, where it is there, and five small models, with the precisions that they are compiled in; --all: in each.
PRECISIONS = ["fp32", "fp16", "bf16", "tf32"]
MODELS = {
    "minilm/embedding.onnx": ["fp32", "fp16"],
    "corpus/bert/base-torchscript17/model.onnx": ["fp16"],
    "corpus/gpt2/logits-dynamo18/model.onnx": ["bf16"],
    "corpus/t5/encoder-torchscript17/model.onnx": ["fp16"],
    "corpus/vit/image_classification-torchscript17/model.onnx": ["fp16"],
    "corpus/whisper/encoder-dynamo18/model.onnx": ["tf32"],
}
# Kernels beside this file, as they are.
KERNELS = ["Inputs/attention-heads.mlir", "Inputs/quantized.mlir"]
# KiB of dynamic and static shared memory that a block can have (CUDA C++ Programming Guide, compute capabilities).
SHARED = {"sm_80": 163, "sm_86": 99, "sm_89": 99, "sm_90a": 227, "sm_100a": 227, "sm_120a": 99}
HEAD = re.compile(r"^// ---- (k\d+): (.*), \w+, \d+ threads, (\d+) bytes of shared memory$", re.M)


def check(source, log, sm):
    """Kernels, and what is wrong with them."""
    kernels = {kernel: (name, int(shared)) for kernel, name, shared in HEAD.findall(source)}
    expected = set(re.findall(r'extern "C" __global__ .* (k\d+)\(', source))
    if not expected or expected != kernels.keys():
        yield f"{len(expected)} kernels, {len(kernels)} of them with their shared memory"
    sections = re.split(r"Compiling entry function '(\w+)' for '(\w+)'", log)
    compiled = dict(zip(sections[1::3], zip(sections[2::3], sections[3::3])))
    if "C7510" in log or "serialized" in log:
        yield "wgmma is serialized (C7510)"
    for kernel in sorted(expected):
        name, dynamic = kernels.get(kernel, ("", 0))
        what = f"{kernel} ({name})"
        if kernel not in compiled or compiled[kernel][0] != sm:
            yield f"{what}: the log doesn't say that it was compiled"
            continue
        text = compiled[kernel][1]
        numbers = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", text)
        if not numbers:
            yield f"{what}: the log says nothing of its stack"
        elif numbers.groups() != ("0", "0", "0"):
            yield f"{what}: {numbers.group()}"
        static = re.search(r"(\d+) bytes smem", text)
        shared = dynamic + (int(static.group(1)) if static else 0)
        if shared > SHARED[sm] * 1024:
            yield f"{what}: {shared} bytes of shared memory, the SM has {SHARED[sm]} KiB"


def gate(options, model, precision):
    """Kernels of all SMs, seconds, and what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        command = [options.bin / "lathe", "compile", model, "-o", f"{folder}/model.lathe", "--target=cuda:all", "--quiet",
                   f"--save-temps={folder}", "--threads=2",
                   f"--precision={precision}" if precision else "--compile-from=fuse"]
        begin = time.time()
        done = subprocess.run([*map(str, command), *([f"--nvrtc={options.nvrtc}"] if options.nvrtc else [])],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        seconds = time.time() - begin
        if done.returncode:
            return 0, seconds, [done.stdout.strip()[:500]]
        wrong, kernels = [], 0
        for sm in SHARED:
            source = pathlib.Path(folder, f"cuda-{sm}.cu").read_text()
            kernels += len(HEAD.findall(source))
            wrong += [f"{sm}: {text}" for text in check(source, pathlib.Path(folder, f"cuda-{sm}.log").read_text(), sm)]
        return kernels, seconds, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, default="build/bin")
    parser.add_argument("--nvrtc", default="")
    parser.add_argument("--only", default="", metavar="SUBSTRING")
    parser.add_argument("--all", action="store_true", help="every model in every precision")
    options = parser.parse_args()
    passed = count = 0
    here = pathlib.Path(__file__).resolve().parent
    inputs = [(here, name, [""]) for name in KERNELS]
    inputs += [(options.models, name, PRECISIONS if options.all else precisions) for name, precisions in MODELS.items()]
    for folder, name, precisions in inputs:
        if options.only not in name:
            continue
        if not (folder / name).exists():
            print(f"none {name}")
            continue
        for precision in precisions:
            kernels, seconds, wrong = gate(options, folder / name, precision)
            print(f"{'FAIL' if wrong else 'ok  '} {' '.join([name, precision]).strip()}: {kernels} kernels, "
                  f"{seconds:.1f} s", flush=True)
            for text in wrong:
                print(f"  {text}", flush=True)
            count += 1
            passed += not wrong
    print(f"{passed} of {count} pass")
    return passed != count or count == 0


if __name__ == "__main__":
    sys.exit(main())
