"""Mutates the device skeletons and counts what the conformance suite on cuda-sim catches.

    mutate.py --bin build/bin [--only SUBSTRING] [--sample SECONDS] [--jobs N] [--json FILE] [--keep FOLDER]

Each barrier, wait and fence of compiler/Cuda/Device is left out in turn, and each index is one more in turn (sites.py).
The cases below run first as they are, which tells what sites each of them reaches; a mutant then runs in those that
reach it, until one fails, crashes or takes too long: it is caught. A mutant that survives must be in equivalent.txt with
the reason why nothing can tell. Fails where one isn't, where an entry there matches nothing, or where less than 95 % are
caught. With --sample a part of the mutants runs, which takes about so many seconds of one core: of those that SAMPLED
reaches and that aren't in equivalent.txt, in the order of a hash of what they are.
"""
import argparse
import collections
import fnmatch
import hashlib
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sites import SUPPORT, find_sites, write_mutants

HERE = pathlib.Path(__file__).resolve().parent
DEVICE = HERE.parents[1] / "compiler" / "Cuda" / "Device"
# Primitives are tested on their own (test/unit/cuda-sim); these are built of them.
SKELETONS = ["Map.h", "Rows.h", "Fragments.h", "Contraction.h", "Hopper.h", "Attention.h", "HopperAttention.h"]
# Names of cases, with a precision and a device: few, fast, and such that together they reach everything. The first ones
# are those of a sampled run; what they don't catch there is tried on the others.
SAMPLED = """
linear_17x33_bias conv_groups linear_64x31_bias/tf32 linear_swiglu/fp16 linear_residual_norm attention_cached_padding
linear_residual_norm/fp16/:sm_90a padded_encoder/fp16/:sm_90a layer_norm_long
""".split()
CASES = SAMPLED + """
linear_127x65_bias linear_swiglu matmul_of_inputs matmul_of_inputs_transposed matmul_batched matmul_batched_columns
matmul_batched_rows conv_padded conv_patches linear_of_inputs linear_relu linear_384x96_bias
linear_384x96_bias/fp16 matmul_of_inputs/fp16 matmul_batched/fp16 matmul_of_inputs/tf32
linear_384x96_bias/fp16/:sm_90a linear_swiglu/fp16/:sm_90a matmul_of_inputs_transposed/fp16/:sm_90a
matmul_of_inputs/fp16/:sm_90a linear_shared_input/fp16/:sm_90a
linear_of_inputs/fp16/:sm_90a linear_scaled_twice/fp16/:sm_90a matmul_batched_/fp16/:sm_90a
attention_window attention_padding_unmasked attention_padding_nan attention_causal_padding_mean
attention_bias_padding attention_softcap attention_wide_head attention_odd_widths attention_causal/fp16
attention_causal/tf32 attention_bias_keys attention_bias_unmasked attention_steep linear_norm_3072 linear_deep_norm
linear_deep_gated linear_ring/fp16/:sm_90a linear_norm_2048/fp16/:sm_90a attention_bias_unmasked/fp16/:sm_90a attention_steep/fp16/:sm_90a
attention_far_causal_padding/fp16/:sm_90a attention_far_window/fp16/:sm_90a attention_far_widest/fp16/:sm_90a
attention_odd_widths/fp16/:sm_90a attention_padding_zero/fp16/:sm_90a attention_cached_padding/fp16/:sm_90a
padded_encoder
layer_norm_7 softmax_2 reduce_prod_f32_n, reduce_min_f32_n,
""".split()
LEAST = 0.95
SECONDS = 2  # of computing time that a mutant may take, beside twice what its case takes without one
TOOL = """#!/bin/sh
# lathe, which compiles a module once for each target and device library.
for input; do :; done
kept={folder}/$(cat "$input" {device}/*.h | sha256sum | cut -c1-32)$4
if [ ! -e "$kept" ]; then
  {lathe} "$@" || exit
  cp "$3" "$kept.$$" && mv "$kept.$$" "$kept"
fi
exec cp "$kept" "$3"
"""


class Suite:
    """The conformance suite over a device library that holds all mutants."""

    def __init__(self, tools, folder):
        self.measured, self.locks, self.lock = {}, {}, threading.Lock()
        self.folder = folder.resolve()
        for name in ["bin", "lib", "device", "packages", "tmp"]:
            (folder / name).mkdir(parents=True, exist_ok=True)
        folder = self.folder
        # The suite takes the lathe beside it, and the emulated driver from ../lib.
        shutil.copy(tools / "lathe-test-conformance", folder / "bin")
        shutil.copy(tools / ".." / "lib" / "libcuda-sim.so", folder / "lib")
        tool = folder / "bin" / "lathe"
        tool.write_text(TOOL.format(folder=folder / "packages", device=folder / "device", lathe=(tools / "lathe").resolve()))
        tool.chmod(0o755)
        self.environment = {**os.environ, "LATHE_DEVICE_LIBRARY": str(folder / "device"), "TMPDIR": str(folder / "tmp")}

    def write_library(self):
        """All sites, numbered; their mutants are in the library."""
        sites = []
        for path in DEVICE.glob("*.h"):
            shutil.copy(path, self.folder / "device")
        for file in SKELETONS:
            source = (DEVICE / file).read_text()
            found = find_sites(file, source)
            for site in found:
                site.id = len(sites)
                sites.append(site)
            (self.folder / "device" / file).write_text(write_mutants(source, found))
        self.sites = len(sites)
        with open(self.folder / "device" / "Primitives.h", "a") as f:
            f.write(SUPPORT.replace("COUNT", str(len(sites))))
        return sites

    def run(self, case, seconds, **environment):
        """How the case failed, or None, and the seconds of computing time that it took."""
        name, precision, device = (case.split("/") + ["fp32", ""] if "/" not in case else case.split("/") + [""])[:3]
        command = [self.folder / "bin" / "lathe-test-conformance", f"--device=cuda-sim{device}", f"--filter={name}",
                   f"--precision={precision}", "--jobs=1"]
        limit = lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))  # noqa: E731
        for _ in range(3):  # the suite's own limits are of real time, in which a busy machine may do nothing
            child = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                     errors="replace", env={**self.environment, **environment}, preexec_fn=limit)
            output = child.stdout.read()
            _, status, spent = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            if not re.search(r"TIMEOUT|timed out", output):
                break
        failure = None if child.returncode == 0 else output.strip() or f"exit code {child.returncode}"
        return failure, spent.ru_utime + spent.ru_stime

    def measure(self, case):
        """Compiles the case and runs it as it is, once: what it reaches, a byte for each site, and how long it takes."""
        with self.lock:
            lock = self.locks.setdefault(case, threading.Lock())
        with lock:
            if case not in self.measured:
                self.measured[case] = self.measure_once(case)
            return self.measured[case]

    def measure_once(self, case):
        path = self.folder / "tmp" / f"seen-{CASES.index(case)}"
        path.write_bytes(bytes(self.sites))
        for compiled in [False, True]:
            failure, seconds = self.run(case, 100, LATHE_MUTANTS_SEEN=str(path))
            if failure:
                sys.exit(f"mutate.py: {case} fails without a mutant: {failure}")
        return Measured(path.read_bytes(), seconds)


@dataclass
class Measured:
    seen: bytes
    seconds: float  # of computing


def read_equivalents():
    """Patterns of keys (sites.Site.key) and reasons: two lines each, the second one indented."""
    pattern, entries = None, {}
    for line in (HERE / "equivalent.txt").read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line[0] != " ":
            pattern = line.strip()
            entries[pattern] = ""
        else:
            entries[pattern] = (entries[pattern] + " " + line.strip()).strip()
    for pattern, reason in entries.items():
        if not reason:
            sys.exit(f"mutate.py: equivalent.txt gives no reason for '{pattern}'")
    return entries


def matches(key, pattern):
    """`*` alone is special: keys are full of brackets."""
    return fnmatch.fnmatchcase(key, re.sub(r"([\[?])", r"[\1]", pattern))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default="build/bin")
    parser.add_argument("--only", default="", help="mutants whose key contains this", metavar="SUBSTRING")
    parser.add_argument("--sample", type=float, help="a part of the mutants, for about so long", metavar="SECONDS")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path, help="keep the mutated library and the packages there")
    parser.add_argument("-v", action="store_true", help="a line for every mutant")
    options = parser.parse_args()
    begin = time.time()
    equivalents = read_equivalents()
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(options.jobs) as pool:
        suite = Suite(options.bin, options.keep or pathlib.Path(temporary))
        sites = suite.write_library()

        cases = SAMPLED if options.sample else CASES
        measured = dict(zip(cases, pool.map(suite.measure, cases)))
        print(f"{len(cases)} cases compiled in {time.time() - begin:.0f} s", flush=True)
        if options.v:
            for case, one in measured.items():
                print(f"  {case}: {sum(b & 1 for b in one.seen)} sites, {one.seconds:.2f} s")

        def is_mutant(site):
            if options.only not in site.key():
                return False
            seen = [one.seen[site.id] for one in measured.values()]
            if options.sample:
                return any(b & 1 for b in seen) and not any(matches(site.key(), pattern) for pattern in equivalents)
            return any(b & 1 for b in seen) or not any(seen)

        mutants = [site for site in sites if is_mutant(site)]
        total = len(mutants)
        mutants.sort(key=lambda site: hashlib.sha256(site.key().encode()).digest())

        def judge(site):
            """The case that catches it and what that says, or None."""
            spent = resource.getrusage(resource.RUSAGE_CHILDREN)
            if options.sample and spent.ru_utime + spent.ru_stime > options.sample:
                return "left out"
            order = sorted(cases, key=lambda case: measured[case].seconds)
            # Those that must be compiled first: what likely reaches the site comes first.
            hopper, attention = site.file.startswith("Hopper"), "Attention" in site.file
            others = [case for case in CASES if case not in measured]
            others.sort(key=lambda case: ((":sm_90a" in case) != hopper) + (("attention" in case) != attention))
            for case in order + others:
                one = suite.measure(case)
                if one.seen[site.id] & 1:
                    failure, _ = suite.run(case, SECONDS + int(2 * one.seconds), LATHE_MUTANT=str(site.id))
                    if failure:
                        return case, failure
            return None

        verdicts = {}
        for site, verdict in zip(mutants, pool.map(judge, mutants)):
            if verdict != "left out":
                verdicts[site.id] = verdict
                if options.v:
                    print(f"  {site.file}:{site.line}: {site.key()}: {verdict}", flush=True)

    mutants = sorted((site for site in mutants if site.id in verdicts), key=lambda site: site.id)
    used, unexplained, rows = set(), [], collections.defaultdict(lambda: [0, 0])
    records = []
    for site in mutants:
        verdict = verdicts[site.id]
        rows[site.file][0] += 1
        rows[site.file][1] += verdict is not None
        reason = None
        if verdict is None:
            pattern = next((p for p in equivalents if matches(site.key(), p)), None)
            used.add(pattern)
            reason = equivalents.get(pattern)
            reaches = any(one.seen[site.id] & 1 for one in measured.values())
            print(f"{site.file}:{site.line}: survives{'' if reaches else ', never reached'}: {site.key()}: "
                  f"{reason or 'UNEXPLAINED'}")
            if not reason:
                unexplained.append(site)
        records.append({"file": site.file, "line": site.line, "function": site.function, "kind": site.kind,
                        "text": site.text, "caught": verdict and verdict[0], "how": verdict and verdict[1][:500],
                        "reason": reason})
    for file, (count, caught) in rows.items():
        print(f"{file}: {count} mutants, {caught} caught ({caught / count:.1%})")
    caught = sum(row[1] for row in rows.values())
    share = caught / max(1, len(mutants))
    print(f"{len(mutants)} of {total} mutants, {caught} caught ({share:.1%}), {len(mutants) - caught} survive, "
          f"{len(unexplained)} without a reason, {time.time() - begin:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(records, indent=1) + "\n")
    stale = [] if options.only or options.sample else sorted(set(equivalents) - used)
    for pattern in stale:
        print(f"equivalent.txt: '{pattern}' matches no survivor")
    return bool(unexplained or stale or share < LEAST or not mutants)


if __name__ == "__main__":
    sys.exit(main())
