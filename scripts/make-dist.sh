#!/bin/bash
# A tarball that runs on any x86-64 Linux with the glibc that it says: tools, runtime libraries, headers, docs, examples.
set -eo pipefail
cd "$(dirname "$0")/.."
version=$(sed -nE 's/^project\(Lathe VERSION ([0-9.]+).*/\1/p' CMakeLists.txt)
name=lathe-$version-linux-x86_64
rm -rf "build/dist/$name" && mkdir -p build/dist
cmake --install build --prefix "build/dist/$name" --strip >/dev/null
mkdir -p "build/dist/$name/share/doc/lathe"
cp -r README.md LICENSE CHANGELOG.md docs "build/dist/$name/share/doc/lathe/"
cp -r examples "build/dist/$name/share/doc/lathe/"
glibc=$(scripts/oldest-glibc.sh "build/dist/$name"/bin/* "build/dist/$name"/lib/*.so)
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime='2000-01-01 00:00Z' -C build/dist -cJf "build/dist/$name.tar.xz" "$name"
echo "build/dist/$name.tar.xz: $(stat -c %s "build/dist/$name.tar.xz") bytes; needs glibc $glibc or newer"
