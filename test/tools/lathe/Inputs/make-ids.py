"""Writes token ids and a mask of shape [7, 37] as .npy files, without numpy: make-ids.py IDS MASK"""
import struct
import sys


def write(path, rows):
    header = "{'descr': '<i8', 'fortran_order': False, 'shape': (%d, %d), }" % (len(rows), len(rows[0]))
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        for row in rows:
            f.write(struct.pack("<%dq" % len(row), *row))


write(sys.argv[1], [[(31 * i + 17 * j) % 97 for j in range(37)] for i in range(7)])
write(sys.argv[2], [[int(j < 37 - 5 * i) for j in range(37)] for i in range(7)])
