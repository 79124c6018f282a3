#!/bin/sh
# Installs what building and testing Lathe needs on Debian 12. Does nothing, and needs no rights, where all is there.
set -e
packages="cmake ninja-build ccache make git clang-22 lld-22 liblld-22-dev libmlir-22-dev mlir-22-tools llvm-22-dev
  llvm-22-tools clang-format-22 clang-tidy-22 libclang-rt-22-dev libonnx-dev libonnx-testdata libprotobuf-dev
  protobuf-compiler libflatbuffers-dev flatbuffers-compiler libgtest-dev libzstd-dev zlib1g-dev nlohmann-json3-dev
  libopenblas-serial-dev pkg-config python3 python3-venv xz-utils"
missing=
for p in $packages; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
echo "installing:$missing"
sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
