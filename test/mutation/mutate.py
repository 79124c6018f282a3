"""Mutates the device skeletons and counts what the conformance suite on cuda-sim catches.

    mutate.py --bin build/bin [--only SUBSTRING] [--sample COUNT] [--skip-equivalents] [--jobs N] [--json FILE] [--keep FOLDER]

Each barrier, wait and fence of compiler/Cuda/Device is left out in turn, and each index is one more in turn (sites.py).
The cases below run first as they are, which tells what sites each of them reaches; a mutant then runs in those that
reach it, until one fails, crashes or takes too long: it is caught. A mutant that survives must be in equivalent.txt with
the reason why nothing can tell. Fails where one isn't, where an entry there matches nothing, or where less than 95 % are
caught. With --sample so many of the mutants that SAMPLED reaches run, in the order of a hash of what they are.
"""
import argparse
import collections
import fnmatch
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sites import SUPPORT, find_sites, write_mutants

HERE = pathlib.Path(__file__).resolve().parent
DEVICE = HERE.parents[1] / "compiler" / "Cuda" / "Device"
# Primitives are tested on their own (test/unit/cuda-sim); these are built of them.
SKELETONS = ["Map.h", "Rows.h", "Fragments.h", "Panels.h", "Contraction.h", "Skinny.h", "Sparse.h", "Hopper.h", "HopperCodes.h",
             "Attention.h", "HopperAttention.h"]
# Names of cases, with a precision and a device: few, fast, and such that together they reach everything. The first ones
# are those of a sampled run; what they don't catch there is tried on the others.
SAMPLED = """
linear_17x33_bias conv_groups linear_64x31_bias/tf32 linear_swiglu/fp16 linear_residual_norm attention_cached_padding
linear_residual_norm/fp16/:sm_90a padded_encoder/fp16/:sm_90a layer_norm_long packed_padded/fp16 packed_exact/fp16
sparse_even/fp16 attention_odd_widths/fp16/:sm_90a
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
attention_far_left_padding/fp16/:sm_90a attention_far_narrow_window/fp16/:sm_90a
attention_far_steep/fp16 attention_far_steep/fp16/:sm_90a linear_norm_200/fp16/:sm_90a
attention_cached_behind attention_cached_behind/fp16/:sm_90a encoder_left_padded
attention_far_narrow_window attention_far_left_padding
attention_far_causal_padding/fp16/:sm_90a attention_far_window/fp16/:sm_90a attention_far_widest/fp16/:sm_90a
attention_padding_zero/fp16/:sm_90a attention_cached_padding/fp16/:sm_90a
padded_encoder
linear_dynamic_int8_387 linear_dynamic_int8_1 linear_dynamic_int4_64 linear_static_int8_64 linear_dynamic_computed_int8
linear_dynamic_residual_norm_int8 linear_dynamic_int8_deep linear_of_int4 linear_of_int8_zero/fp16
linear_parts matmul_transposed layer_norm_7 softmax_2 reduce_prod_f32_n, reduce_min_f32_n, reduce_sum_long softmax_reversed
packed_exact packed_exact/bf16 packed_odd_int4_f16/fp16 packed_int4_zero_bf16/fp16
packed_mixed_plain/fp16 sparse_mixed/fp16
packed_int4_zero_f16/fp16 packed_int8_f32/fp16 packed_odd_int4_zero_bf16/fp16 packed_deep_swiglu_e4m3/fp16
linear_dynamic_padded/fp32/:sm_90a linear_dynamic_then_norms/fp32/:sm_90a linear_dynamic_int8_deep/fp32/:sm_90a
linear_dynamic_shared_input_int8/fp32/:sm_90a linear_dynamic_norm_2048/fp32/:sm_90a
packed_mixed_e4m3/fp16 packed_wide/fp16/:sm_90a sparse_plain/fp16 sparse_int8/fp16
sparse_swiglu_sparse/fp16 linear_float8_wide/fp32/:sm_89
""".split()
LEAST = 0.95
SECONDS = 1  # of computing time that a mutant may take, beside three times what its case takes without one
TOOL = """#!/bin/sh
# lathe, which compiles a module once for each target and device library.
for input; do :; done
kept={folder}/$({{ stat -c %y {lathe}; cat "$input" {device}/*.h; }} | sha256sum | cut -c1-32)$4
if [ ! -e "$kept" ]; then
  {lathe} "$@" || exit
  cp "$3" "$kept.$$" && mv "$kept.$$" "$kept"
fi
exec cp "$kept" "$3"
"""


class Suite:
    """The conformance suite over a device library that holds all mutants."""

    def __init__(self, tools, folder):
        self.folder = folder.resolve()
        for name in ["bin", "lib", "device", "packages", "tmp"]:
            (folder / name).mkdir(parents=True, exist_ok=True)
        folder = self.folder
        # The suite takes the lathe beside it, and the emulated driver from ../lib.
        (folder / "bin" / "lathe-test-conformance").unlink(missing_ok=True)
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
        parts = sorted((self.folder / "device").glob("*.h")) + [self.folder / "bin" / "lathe-test-conformance"]
        self.version = hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()[:32]
        return sites

    def read_verdicts(self):
        """Of earlier runs with this library, where the folder is kept: of site and case how it failed, or nothing."""
        self.verdicts = self.folder / "packages" / f"{self.version}-verdicts"
        lines = self.verdicts.read_text().splitlines() if self.verdicts.exists() else []
        return {(int(site), case): failure for site, case, failure in (line.split(" ", 2) for line in lines)}

    def write_verdict(self, site, case, failure):
        with open(self.verdicts, "a") as f:
            f.write(f"{site.id} {case} {failure}\n")

    def measure(self, case):
        """Compiles the case and runs it as it is, once: what it reaches, a byte for each site, and how long it takes."""
        path = self.folder / "packages" / f"{self.version}-{case.replace('/', '.')}"
        if not path.exists():
            seen = self.folder / "tmp" / path.name
            seen.write_bytes(bytes(self.sites))
            with Repeater(self, case) as repeater:
                seconds, failure = repeater.run(100, f"LATHE_MUTANTS_SEEN={seen}")
            if failure:
                sys.exit(f"mutate.py: {case} fails without a mutant: {failure}")
            path.write_text(json.dumps({"seen": seen.read_bytes().hex(), "seconds": seconds}))
        kept = json.loads(path.read_text())
        return Measured(bytes.fromhex(kept["seen"]), kept["seconds"])


class Repeater:
    """A case, compiled and loaded, that runs anew for each mutant."""

    def __init__(self, suite, case):
        self.case = case
        name, precision, device = (case.split("/") + ["fp32", ""] if "/" not in case else case.split("/") + [""])[:3]
        self.child = subprocess.Popen([suite.folder / "bin" / "lathe-test-conformance", f"--device=cuda-sim{device}",
                                       f"--filter={name}", f"--precision={precision}", "--repeat"], env=suite.environment,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                      errors="replace", bufsize=1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.child.stdin.close()
        except BrokenPipeError:
            pass
        self.child.wait()

    def run(self, most, variable):
        """The seconds of computing time that it took, and how it failed, or None."""
        try:
            self.child.stdin.write(f"{most:.2f} {variable}\n")
        except BrokenPipeError:
            pass  # it says why
        answer = self.child.stdout.readline().strip()
        seconds, _, text = answer.partition(" ")
        if not seconds[:1].isdigit():
            sys.exit(f"mutate.py: {self.case}: {answer or 'the suite has ended'}")
        return float(seconds), None if text == "PASS" else text


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
    parser.add_argument("--sample", type=int, help="so many of the mutants", metavar="COUNT")
    parser.add_argument("--skip-equivalents", action="store_true", help="leave out what equivalent.txt names")
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

        def matched(site):
            return next((pattern for pattern in equivalents if matches(site.key(), pattern)), None)

        cases = SAMPLED if options.sample else CASES
        measured = dict(zip(cases, pool.map(suite.measure, cases)))
        print(f"{len(cases)} cases compiled in {time.time() - begin:.0f} s", flush=True)
        if options.v:
            for case, one in measured.items():
                print(f"  {case}: {sum(b & 1 for b in one.seen)} sites, {one.seconds:.2f} s")

        def is_mutant(site):
            seen = [one.seen[site.id] for one in measured.values()]
            if (options.skip_equivalents or options.sample) and matched(site):
                return False
            if options.sample:
                return any(b & 1 for b in seen)
            return options.only in site.key() and (any(b & 1 for b in seen) or not any(seen))

        mutants = sorted(filter(is_mutant, sites), key=lambda site: hashlib.sha256(site.key().encode()).digest())
        total = len(mutants)
        mutants = mutants[:options.sample]
        tried = suite.read_verdicts()
        verdicts = {site: (case, failure) for (site, case), failure in tried.items() if failure}
        tries = collections.Counter(site for site, _ in tried)

        def judge(case, queue):
            """Runs the case with the mutants of the queue, which others take from too."""
            one = measured[case]
            with Repeater(suite, case) as repeater:
                while queue:
                    site = queue.popleft()
                    _, failure = repeater.run(SECONDS + 3 * one.seconds, f"LATHE_MUTANT={site.id}")
                    tries[site.id] += 1
                    tried[site.id, case] = failure
                    suite.write_verdict(site, case, failure or "")
                    if failure:
                        verdicts[site.id] = case, failure
                    if options.v and failure:
                        print(f"  {site.file}:{site.line}: {site.key()}: {case}: {failure}", flush=True)

        def reached(case):
            return [site for site in mutants
                    if site.id not in verdicts and (site.id, case) not in tried and measured[case].seen[site.id] & 1]

        def promise(case):
            """About how many mutants it catches in a second: what others didn't catch it hardly will."""
            return sum(0.2 ** tries[site.id] for site in reached(case)) / len(reached(case)) / measured[case].seconds

        def kin(case):
            """What cases of alike kernels have in common."""
            return case.split("_")[0], ":" in case

        # Of a sample, those behind SAMPLED must be compiled for it; what likely reaches what is left comes first.
        left, others = list(cases), [case for case in CASES if case not in measured]
        while any(site.id not in verdicts for site in mutants):
            left = [case for case in left if reached(case)]
            if not left and others:
                near = {kin(case) for case, one in measured.items()
                        if any(one.seen[site.id] & 1 for site in mutants if site.id not in verdicts)}
                others.sort(key=lambda case: kin(case) not in near)
                left = [others.pop(0)]
                measured.update((case, suite.measure(case)) for case in left)
                continue
            if not left:
                break
            case = max(left, key=promise)
            left.remove(case)
            queue = collections.deque(reached(case))
            if options.v:
                print(f"{case}: {len(queue)} mutants left, {time.time() - begin:.0f} s", flush=True)
            list(pool.map(judge, [case] * options.jobs, [queue] * options.jobs))

    mutants.sort(key=lambda site: site.id)
    used, unexplained, rows = set(), [], collections.defaultdict(lambda: [0, 0])
    records = []
    for site in mutants:
        verdict = verdicts.get(site.id)
        rows[site.file][0] += 1
        rows[site.file][1] += verdict is not None
        reason = None
        if verdict is None:
            pattern = matched(site)
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
    stale = [] if options.only or options.sample or options.skip_equivalents else sorted(set(equivalents) - used)
    for pattern in stale:
        print(f"equivalent.txt: '{pattern}' matches no survivor")
    return bool(unexplained or stale or not mutants or share < LEAST and not options.sample)


if __name__ == "__main__":
    sys.exit(main())
