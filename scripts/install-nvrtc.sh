#!/bin/sh
# NVRTC for the tests, from the Python package index into a folder, where the loader finds none: install-nvrtc.sh OUT
set -e
version=13.0.88
for name in libnvrtc.so.13 libnvrtc.so.12 /usr/local/cuda/lib64/libnvrtc.so.13 /usr/local/cuda/lib64/libnvrtc.so.12; do
  python3 -c "import ctypes; ctypes.CDLL('$name')" 2>/dev/null && exit 0
done
[ -f "$1/$version" ] && exit 0
echo "installing NVRTC $version"
rm -rf "$1"
python3 -m venv "$1"
"$1/bin/pip" install --quiet --disable-pip-version-check --no-deps "nvidia-cuda-nvrtc==$version" ||
  { echo "no NVRTC: tests that compile CUDA kernels are skipped"; exit 0; }
touch "$1/$version"
