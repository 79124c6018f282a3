#!/bin/bash
# The reference pages of dialects and passes, from their .td files: make-docs.sh OUT
set -e
cd "$(dirname "$0")/.."
mkdir -p "$1"
tblgen="/usr/lib/llvm-22/bin/mlir-tblgen -I. -I/usr/lib/llvm-22/include"
for dialect in Tfm Kernel Program; do
  $tblgen -gen-dialect-doc -dialect="$(tr '[:upper:]' '[:lower:]' <<<$dialect)" "dialects/$dialect/${dialect}Ops.td" -o "$1/$dialect.md"
done
$tblgen -gen-pass-doc passes/Passes.td -o "$1/Passes.md"
echo "$1: Tfm.md, Kernel.md, Program.md, Passes.md"
