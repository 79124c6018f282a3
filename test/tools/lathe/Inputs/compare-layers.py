"""A package in which two of four layers have the same weights: as large as one in which they were told to share them."""
import json
import os
import sys

plain, shared = (json.load(open(path)) for path in sys.argv[1:3])
for summary in (plain, shared):
    # A layer's kernels serve all layers; its weights are 256 bytes as they are, more in panels.
    kernels = len(summary["kernels"])
    assert kernels < summary["launches"] / 2, (kernels, summary["launches"])
assert shared["parameters"] == plain["parameters"] - 64, (shared["parameters"], plain["parameters"])
sizes = [os.path.getsize(path) for path in sys.argv[3:5]]
# Equal bytes are stored once in both; the tables of names differ.
assert abs(sizes[0] - sizes[1]) < 1024, sizes
