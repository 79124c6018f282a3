"""Writes ids beyond a vocabulary, a mask, types and an empty batch as .npy files into a folder."""
import struct
import sys


def write(name, shape, values):
    header = "{'descr': '<i8', 'fortran_order': False, 'shape': (%d, %d), }" % shape
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(sys.argv[1] + "/" + name, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        f.write(struct.pack("<%dq" % len(values), *values))


write("beyond.npy", (1, 4), [1, 2, 999999, 3])
write("ones.npy", (1, 4), [1, 1, 1, 1])
write("zeros.npy", (1, 4), [0, 0, 0, 0])
write("none.npy", (0, 4), [])
