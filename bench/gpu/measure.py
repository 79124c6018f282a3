"""Times packages beside their peers: the engines take turns in rounds, and the median of their medians counts."""
import json
import pathlib
import statistics
import tempfile
import time

import inputs
import limits
import npy
from process import Failure, call


class Options:
    def __init__(self, lathe_run, device_flags, seconds, rounds, timeout, peer_timeout, deadline):
        self.lathe_run, self.device_flags = lathe_run, device_flags
        self.seconds, self.rounds = seconds, rounds  # seconds 0: two runs, to try the machinery
        self.timeout, self.peer_timeout = timeout, peer_timeout
        self.deadline = deadline  # of time.monotonic(), or None

    def over(self):
        return self.deadline is not None and time.monotonic() > self.deadline


def lathe_once(options, package, sizes, files):
    """The figures of one process, in milliseconds."""
    duration = ["--duration", options.seconds] if options.seconds else ["--iterations", 2, "--warmup", 1]
    bucket = ",".join(f"{name}={size}" for name, size in sizes.items())
    text = call(options.lathe_run, "bench", package, *(f"--input={name}={file}" for name, file in files),
                "--bucket", bucket, *duration, "--json=-", *options.device_flags, timeout=options.timeout)  # fmt: skip
    figures = json.loads(text)
    device = figures["device"]
    phases = {phase: device[phase + "_ms"]["median"] for phase in ("host_to_device", "compute", "device_to_host")}
    beyond = figures["latency_ms"]["median"] - sum(phases.values())
    used = {"device_bytes": device["used_bytes"]["total"], "busy_percent": device["busy_percent"]}
    if "submit_ms" in device:
        used["host_us"] = 1e3 * device["submit_ms"]["median"]
    return {**phases, "ms": phases["compute"], "latency": figures["latency_ms"]["median"], "beyond_device": beyond, **used}


def median_of(rounds):
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


def measure(options, peers, engines, package, model, batch, sequence, lengths=None):
    """{"engines": {name: {"ms": ...} or {"error": why}}, ...}: one cell of the table."""
    info = inputs.describe(options.lathe_run, package)
    sizes = inputs.sizes(info, batch, sequence)
    request = {"model": model, "batch": batch, "sequence": sequence, "lengths": lengths}
    cell, rounds = {}, {"Lathe": []}
    for engine in engines:
        try:
            peers.ask(options.peer_timeout, op="prepare", engine=engine, **request)
            rounds[engine] = []
        except Failure as failure:
            cell[engine] = {"error": str(failure)}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        names = inputs.write(info, sizes, lengths or [sequence] * batch, folder)
        files = [(name, folder / f"input_{i}.npy") for i, name in enumerate(names)]
        for _ in range(options.rounds):
            for engine in [engine for engine in rounds if engine not in cell]:
                try:
                    if engine == "Lathe":
                        rounds[engine].append(lathe_once(options, package, sizes, files))
                    else:
                        rounds[engine].append(peers.ask(options.peer_timeout, op="time", engine=engine, seconds=options.seconds))
                except (Failure, KeyError, ValueError) as failure:
                    cell[engine] = {"error": str(failure)}
    for engine, figures in rounds.items():
        if engine not in cell:
            cell[engine] = median_of(figures)
    if engines:
        try:
            peers.ask(60, op="clear")
        except Failure:
            pass  # the next request starts the process anew
    return cell


def shapes_of(model, quick):
    """(batch, sequence), those first that the issue's figures ask for: a budget may end the list early."""
    if quick:
        return [(1, model["tokens"])] if "tokens" in model else [(1, 8)]
    if "tokens" in model:
        return [(batch, model["tokens"]) for batch in (1, 32, 8, 128)]
    return [(batch, sequence) for sequence in (128, 384, 512) for batch in (1, 32, 8, 128)]
