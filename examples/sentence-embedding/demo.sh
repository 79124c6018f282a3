#!/bin/sh
# Fetches the trained weights of MiniLM-L6, writes its ONNX, compiles that, and embeds sentences: those given as
# arguments, else a few. Everything it makes lies in build/demo.
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/build/demo
bin=${LATHE_BIN:-$root/build/bin}

"$here/make_model.sh" "$out/minilm.onnx"
echo "lathe compile minilm.onnx -o minilm.lathe --target=cpu -O3 --report=minilm.html"
"$bin/lathe" compile "$out/minilm.onnx" -o "$out/minilm.lathe" --target=cpu -O3 --report="$out/minilm.html"
echo
exec "$out/venv/bin/python" "$here/embed.py" --lathe-run "$bin/lathe-run" -- "$out/minilm.lathe" "$@"
