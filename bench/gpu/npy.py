"""Reads, writes and compares .npy files with the standard library alone."""
import array
import ast
import math
import struct
import sys

CODES = {"<f4": "f", "<f8": "d", "<i8": "q", "<i4": "i", "<i2": "h", "|i1": "b", "<u8": "Q", "<u4": "I", "<u2": "H",
         "|u1": "B", "|b1": "B"}  # fmt: skip


class Array:
    """`type` is NumPy's name of the element type, |V2 for bf16; `values` is flat."""

    def __init__(self, kind, shape, values):
        self.type, self.shape, self.values = kind, tuple(shape), values

    def is_float(self):
        return self.type in ("<f2", "<f4", "<f8", "|V2")


def read(path):
    content = path.read_bytes()
    if content[:6] != b"\x93NUMPY" or sys.byteorder != "little":
        raise ValueError(f"{path} is no .npy file that this machine can read")
    begin, form = (10, "<H") if content[6] == 1 else (12, "<I")
    end = begin + struct.unpack_from(form, content, 8)[0]
    header = ast.literal_eval(content[begin:end].decode("latin1").strip())
    kind, data = header["descr"].replace("<V", "|V"), content[end:]
    if header["fortran_order"]:
        raise ValueError(f"{path} is in Fortran order")
    count = math.prod(header["shape"])
    if kind == "<f2":
        values = struct.unpack(f"<{count}e", data)
    elif kind == "|V2":  # the upper half of an f32
        values = struct.unpack(f"<{count}f", b"".join(b"\0\0" + data[i : i + 2] for i in range(0, 2 * count, 2)))
    elif kind in CODES:
        values = array.array(CODES[kind], data)
    else:
        raise ValueError(f"{path} has elements of type {kind}")
    if len(values) != count:
        raise ValueError(f"{path} holds {len(values)} elements, its header says {count}")
    return Array(kind, header["shape"], values)


def write(path, kind, shape, values):
    """`kind` is one of CODES."""
    header = str({"descr": kind, "fortran_order": False, "shape": tuple(shape)}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    data = array.array(CODES[kind], values).tobytes()
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data)


def relative_error(got, expected):
    """|got - expected| / |expected| in Euclidean norms; infinite where a value is no number."""
    error = math.sqrt(math.fsum((a - b) ** 2 for a, b in zip(got.values, expected.values)))
    size = math.sqrt(math.fsum(b * b for b in expected.values))
    return 0.0 if error == 0 else error / size if size > 0 and math.isfinite(error) else math.inf


def difference(got, expected, atol, rtol):
    """What is wrong with `got`, or "" where each |got - expected| <= atol + rtol * |expected|."""
    if (got.type, got.shape) != (expected.type, expected.shape):
        return f"expected {expected.type}{list(expected.shape)}, got {got.type}{list(got.shape)}"
    if got.values == expected.values:
        return ""
    wrong = []
    for i, (a, b) in enumerate(zip(got.values, expected.values)):
        if not (a == b or (a != a and b != b) or (math.isfinite(b) and abs(a - b) <= atol + rtol * abs(b))):
            wrong.append(i)
    if not wrong:
        return ""
    i = wrong[0]
    return f"{len(wrong)} of {len(got.values)} differ, element {i}: expected {expected.values[i]}, got {got.values[i]}"
