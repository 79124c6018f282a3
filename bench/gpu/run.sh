#!/bin/sh
# Checks and times Lathe's packages on a CUDA device: run.sh --out DIR [--device=cuda:0] [--quick] ...; --help explains.
# Needs python3 (its standard library alone) and a driver. PyTorch and ONNX Runtime are timed where that python3 has them.
exec "${PYTHON:-python3}" "$(dirname "$0")/suite/suite.py" "$@"
