"""Compiles exported models and verifies them on their stored data sets: every model of a folder, one line each.

    verify-models.py MODELS/corpus [--bin build/bin] [--only SUBSTRING,...] [--all] [--jobs N] [--out FOLDER] [--flags="-O0 ..."]
                     [--run-flags="--device=cuda:0 ..."]

Without --all the f32 models without a cache: those whose path has none of with_past, merged, decoder, genai and whose
meta.json says fp32. Each runs with its own tolerance (meta.json), on every variant of the code that this machine has when
--targets names them. Exit code 1 where one fails.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

CACHED = ["with_past", "merged", "decoder", "genai"]
TIMEOUT = 120  # seconds; these models take one or two


def chosen(corpus, only, everything):
    for meta in sorted(corpus.glob("*/*/meta.json")):
        name = str(meta.parent.relative_to(corpus))
        plain = not any(word in name for word in CACHED) and json.loads(meta.read_text())["precision"] == "fp32"
        if any(part in name for part in only.split(",")) and (plain or everything):
            yield name


def call(words):
    """None, or why the command failed: the first line that says error."""
    try:
        done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"no end after {TIMEOUT} s"
    if done.returncode == 0:
        return None
    lines = done.stdout.strip().splitlines()
    worst = next((line for line in lines if "error:" in line), lines[-1] if lines else "nothing printed")
    return f"exit code {done.returncode}: {worst}"


def verify(options, folder, name):
    model = options.corpus / name
    meta = json.loads((model / "meta.json").read_text())
    package = folder / (name.replace("/", "-") + ".lathe")
    failure = call([options.bin / "lathe", "compile", model / "model.onnx", "-o", package, *options.flags.split()])
    if failure:
        return "compile: " + failure
    tolerance = [f"--{key}={meta['tolerance'][key]}" for key in ("rtol", "atol")]
    for target in options.targets.split(","):
        flags = [*tolerance, *options.run_flags.split(), *([f"--target={target}"] if target else [])]
        failure = call([options.bin / "lathe-run", "verify", package, *sorted(model.glob("test_data_set_*")), *flags])
        if failure:
            return f"verify{' on ' + target if target else ''}: {failure}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, default="build/bin")
    parser.add_argument("--only", default="", metavar="SUBSTRING,...")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--targets", default="", help="variants of the code, as x86-64-v3,x86-64-v4")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, help="keep the packages there")
    parser.add_argument("--flags", default="", help="of lathe compile; write --flags=..., for they begin with a dash")
    parser.add_argument("--run-flags", default="", help="of lathe-run verify")
    options = parser.parse_args()
    names = list(chosen(options.corpus, options.only, options.all))
    if not names:
        sys.exit("verify-models.py: no such model")
    for tool in ["lathe", "lathe-run"]:
        if not (options.bin / tool).exists():
            sys.exit(f"verify-models.py: no {tool} in {options.bin}")
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(options.jobs) as pool:
        folder = options.out or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        passed = 0
        for name, failure in zip(names, pool.map(lambda name: verify(options, folder, name), names)):
            print(f"{'ok  ' if failure is None else 'FAIL'} {name}{'' if failure is None else ': ' + failure}", flush=True)
            passed += failure is None
    print(f"{passed} of {len(names)} models match")
    return passed != len(names)


if __name__ == "__main__":
    sys.exit(main())
