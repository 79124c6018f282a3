#!/bin/sh
# Fetches the trained weights of MiniLM-L6 and writes its ONNX, where that isn't there yet: make_model.sh OUT.onnx
# What it needs for that, and embed.py too, goes to build/demo/venv.
set -e
here=$(cd "$(dirname "$0")" && pwd)
venv=$here/../../build/demo/venv

# A venv is complete when the requirements that it was made of are in it.
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
  echo "fetching the weights and what reads them ..."
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/requirements.txt"
fi
if [ ! -f "$1" ] || [ "$here/make_model.py" -nt "$1" ] || [ "$venv/requirements.txt" -nt "$1" ]; then
  mkdir -p "$(dirname "$1")"
  "$venv/bin/python" "$here/make_model.py" "$1.part"
  mv "$1.part" "$1"
fi
