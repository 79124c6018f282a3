#!/bin/sh
# Unpacks the test models of ../shared, if they are there, into a folder: unpack-models.sh OUT
set -e
[ -n "$LATHE_MODELS" ] && exit 0
source=$(cd "$(dirname "$0")/.." && pwd)/../shared/models
[ -x "$source/unpack.sh" ] || { echo "no ../shared/models: tests on exported models are skipped"; exit 0; }
[ "$1/unpacked" -nt "$source/corpus.tar.xz" ] && exit 0
"$source/unpack.sh" "$1" && touch "$1/unpacked"
