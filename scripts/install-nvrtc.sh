#!/bin/sh
# NVRTC for the tests, from the Python package index into a folder: install-nvrtc.sh OUT [VERSION]
# Without a version only where the loader finds none; with one, such as 12.9.86, in any case.
set -e
version=${2:-13.0.88}
for name in libnvrtc.so.13 libnvrtc.so.12 /usr/local/cuda/lib64/libnvrtc.so.13 /usr/local/cuda/lib64/libnvrtc.so.12; do
  [ -z "$2" ] && python3 -c "import ctypes; ctypes.CDLL('$name')" 2>/dev/null && exit 0
done
[ -f "$1/$version" ] && exit 0
case $version in
12.*) package=nvidia-cuda-nvrtc-cu12 ;;
*) package=nvidia-cuda-nvrtc ;;
esac
echo "installing NVRTC $version"
rm -rf "$1"
python3 -m venv "$1"
"$1/bin/pip" install --quiet --disable-pip-version-check --no-deps "$package==$version" ||
  { echo "no NVRTC: tests that compile CUDA kernels are skipped"; exit 0; }
touch "$1/$version"
