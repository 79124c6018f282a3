#!/bin/sh
# Installs the peers into build/bench/venv, makes and compiles the model, runs the benchmark. `make bench` calls this;
# arguments go to run.py.
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
out=$root/build/bench
mkdir -p "$out"
"$root/scripts/install-venv.sh" "$out/venv" "$here/requirements.txt" "installing ONNX Runtime and OpenVINO"
"$out/venv/bin/python" "$root/examples/sentence-embedding/make_model.py" "$out/minilm.onnx"
"$root/build/bin/lathe" compile "$out/minilm.onnx" -o "$out/minilm.lathe" --target=cpu -O3
exec "$out/venv/bin/python" "$here/run.py" --onnx "$out/minilm.onnx" --package "$out/minilm.lathe" \
  --bin "$root/build/bin" --library "$root/build/lib/liblathe.so" --out "$out" "$@"
