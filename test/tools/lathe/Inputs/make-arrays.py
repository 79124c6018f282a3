"""Writes .npy files into a folder, without numpy: make-arrays.py DIR NAME:TYPE:SHAPE=VALUES..., as y:f4:2x3=1,2,3,4,5,6"""
import os
import struct
import sys

os.makedirs(sys.argv[1], exist_ok=True)
for word in sys.argv[2:]:
    what, values = word.split("=")
    name, kind, shape = what.split(":")
    dims = [int(d) for d in shape.split("x")]
    number = float if kind[0] == "f" else int
    data = [number(v) for v in values.split(",") if v]
    header = "{'descr': '<%s', 'fortran_order': False, 'shape': (%s,), }" % (kind, ", ".join(map(str, dims)))
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    code = {"f4": "f", "f8": "d", "i4": "i", "i8": "q", "u2": "H"}[kind]
    with open("%s/%s.npy" % (sys.argv[1], name), "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        f.write(struct.pack("<%d%s" % (len(data), code), *data))
