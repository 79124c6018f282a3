#!/bin/sh
# Fetches the trained weights of MiniLM-L6, writes its ONNX, compiles that, and embeds sentences: those given as
# arguments, else a few. Everything it makes lies in build/demo.
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/build/demo
bin=${LATHE_BIN:-$root/build/bin}
mkdir -p "$out"

# A venv is complete when the requirements that it was made of are beside it.
if ! cmp -s "$here/requirements.txt" "$out/venv/requirements.txt"; then
  echo "fetching the weights and what reads them ..."
  rm -rf "$out/venv" "$out/minilm.onnx"
  python3 -m venv "$out/venv"
  "$out/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$out/venv/requirements.txt"
fi
if [ ! -f "$out/minilm.onnx" ] || [ "$here/make_model.py" -nt "$out/minilm.onnx" ]; then
  "$out/venv/bin/python" "$here/make_model.py" "$out/minilm.part.onnx"
  mv "$out/minilm.part.onnx" "$out/minilm.onnx"
fi

echo "lathe compile minilm.onnx -o minilm.lathe --target=cpu -O3 --report=minilm.html"
"$bin/lathe" compile "$out/minilm.onnx" -o "$out/minilm.lathe" --target=cpu -O3 --report="$out/minilm.html"
echo
exec "$out/venv/bin/python" "$here/embed.py" --lathe-run "$bin/lathe-run" -- "$out/minilm.lathe" "$@"
