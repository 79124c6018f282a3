#!/bin/sh
# Fetches the trained weights of MiniLM-L6 and writes its ONNX, where that isn't there yet: make_model.sh OUT.onnx
# What it needs for that, and embed.py too, goes to build/demo/venv.
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$root/build/demo/venv
"$root/scripts/install-venv.sh" "$venv" "$here/requirements.txt" "fetching the weights and what reads them"
if [ ! -f "$1" ] || [ "$here/make_model.py" -nt "$1" ] || [ "$venv/requirements.txt" -nt "$1" ]; then
  mkdir -p "$(dirname "$1")"
  "$venv/bin/python" "$here/make_model.py" "$1.part"
  mv "$1.part" "$1"
fi
