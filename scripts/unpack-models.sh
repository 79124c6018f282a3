#!/bin/sh
# Unpacks the test models of ../shared, if they are there, into a folder, and makes MiniLM beside them: unpack-models.sh OUT
set -e
[ -n "$LATHE_MODELS" ] && exit 0
root=$(cd "$(dirname "$0")/.." && pwd)
source=$root/../shared/models
[ -x "$source/unpack.sh" ] || { echo "no ../shared/models: tests on exported models are skipped"; exit 0; }
if [ ! "$1/unpacked" -nt "$source/corpus.tar.xz" ]; then
  "$source/unpack.sh" "$1"
  touch "$1/unpacked"
fi
"$root/examples/sentence-embedding/make_model.sh" "$1/minilm/embedding.onnx" || echo "no MiniLM: its tests are skipped"
