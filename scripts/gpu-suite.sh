#!/bin/bash
# Builds build/gpu-suite, a folder of at most 25 MB that checks and times Lathe on a machine with a GPU and nothing else:
# `make gpu-suite` calls this. SMS=90a,80 names the architectures, NVRTC=PATH the library that compiles for them; further
# arguments go to bench/gpu/make.py.
set -eo pipefail
cd "$(dirname "$0")/.."
targets=cuda:sm_${SMS:-90a}
models=${LATHE_MODELS:-build/models}
[ -d "$models/shapes" ] || { echo "error: no models in $models; hint: 'make models', or LATHE_MODELS=FOLDER"; exit 1; }
exec python3 bench/gpu/make.py --bin "${LATHE_BIN:-build/bin}" --models "$models" --out build/gpu-suite \
  --targets "${targets//,/,cuda:sm_}" --minilm "$PWD/../shared/models/minilm/embedding.graph.onnx" \
  ${NVRTC:+--nvrtc "$NVRTC"} "$@"
