"""Writes to disk the weights that `lathe compile --weights=random:SEED` makes up for a graph whose weight file is missing, so
that other engines can run the very same model.

    python random_weights.py MODEL.onnx SEED FOLDER        # FOLDER/model.onnx and the files that it refers to
"""
import pathlib
import shutil
import sys

import numpy as np

SCALE = np.float32(0.02)  # kRandomScale of compiler/Onnx/Import.h
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix64(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def random_unit(seed, tensor, begin, end):
    """Elements [begin, end) of a tensor, in [-1, 1): randomUnit of runtime/Package/RandomWeights.h."""
    with np.errstate(over="ignore"):
        stream = mix64(np.uint64(seed) + GOLDEN * np.uint64(tensor + 1))
        bits = mix64(stream + GOLDEN * np.arange(begin + 1, end + 1, dtype=np.uint64))
    return ((bits >> np.uint64(40)).astype(np.int64) - (1 << 23)).astype(np.float32) * np.float32(2**-23)


def write_tensor(path, offset, count, seed, tensor, chunk=1 << 22):
    with open(path, "r+b") as file:
        file.seek(offset)
        for begin in range(0, count, chunk):
            file.write((SCALE * random_unit(seed, tensor, begin, min(count, begin + chunk))).tobytes())


def main(model_path, seed, folder):
    import onnx

    folder.mkdir(parents=True, exist_ok=True)
    model = onnx.load(model_path, load_external_data=False)
    for number, tensor in enumerate(model.graph.initializer):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        if tensor.data_type != onnx.TensorProto.FLOAT:
            sys.exit(f"random_weights.py: '{tensor.name}' is not float32")
        where = {entry.key: entry.value for entry in tensor.external_data}
        path = folder / where["location"]
        if path.resolve().parent != folder.resolve():
            sys.exit(f"random_weights.py: '{tensor.name}' lies outside the model's folder")
        path.touch()
        write_tensor(path, int(where.get("offset", 0)), int(np.prod(tensor.dims)), seed, number)
    shutil.copyfile(model_path, folder / "model.onnx")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3]))
