"""Inputs of a model at given sizes, made from what `lathe-run inspect --json` says of it."""
import json
import math
import random

import npy
from process import call

TYPES = {"f32": "<f4", "i64": "<i8", "i32": "<i4", "i1": "|b1"}
IDS = 64  # ids below it are in every vocabulary


def describe(lathe_run, package):
    return json.loads(call(lathe_run, "inspect", package, "--json"))


def sizes(info, batch, sequence):
    """The value of each symbol; exporters call them batch or batch_size, and sequence or sequence_length."""
    return {x["name"]: batch if x["name"].startswith("batch") else sequence for x in info["symbols"]}


def bind(info, values):
    """The shape of each input, by name."""
    return {x["name"]: [values[d] if isinstance(d, str) else d for d in x["shape"]] for x in info["inputs"]}


def write(info, values_of, lengths, folder):
    """Writes input_0.npy ...; row i of a mask has lengths[i] ones. Returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes, source = bind(info, values_of), random.Random(1)
    for number, x in enumerate(info["inputs"]):
        name, shape = x["name"], shapes[x["name"]]
        count = math.prod(shape)
        if "mask" in name:
            values = [int(column < lengths[row]) for row in range(shape[0]) for column in range(shape[1])]
        elif "token_type" in name:
            values = [0] * count
        elif x["type"] == "f32":
            block = [source.uniform(-1, 1) for _ in range(min(count, 4099))]
            values = (block * (count // len(block) + 1))[:count]
        else:
            values = [source.randrange(IDS) for _ in range(count)]
        npy.write(folder / f"input_{number}.npy", TYPES[x["type"]], shape, values)
    return [x["name"] for x in info["inputs"]]


def filled(batch, sequence, part):
    """Lengths of a batch of which `part` is filled: evenly spread between 2 part - 1 and all of the sequence."""
    spread = min(part, 1 - part)
    at = lambda row: part + spread * (2 * (row + 0.5) / batch - 1)
    return [max(1, min(sequence, round(sequence * at(row)))) for row in range(batch)]
