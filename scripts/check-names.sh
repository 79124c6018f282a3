#!/bin/bash
# One name, four spellings: the file QuantizeWeights.cpp, the def QuantizeWeightsPass, the flag --lathe-quantize-weights, the
# test quantize-weights.mlir. And no source file is longer than 1,500 lines.
cd "$(dirname "$0")/.."
status=0
while read -r phase pass flag; do
  kebab=$(sed -E 's/([a-z0-9])([A-Z])/\1-\L\2/g; s/^([A-Z])/\L\1/' <<<"$pass")
  [ "$flag" = "lathe-$kebab" ] || { echo "error: ${pass}Pass has the flag --$flag, expected --lathe-$kebab"; status=1; }
  [ -f "passes/$phase/$pass.cpp" ] || { echo "error: ${pass}Pass has no passes/$phase/$pass.cpp"; status=1; }
  test="test/passes/$(tr '[:upper:]' '[:lower:]' <<<"$phase")/$kebab.mlir"
  [ -f "$test" ] || { echo "error: ${pass}Pass has no $test"; status=1; }
done < <(sed -nE 's|^passes/([A-Za-z]+)/[A-Za-z]+\.td:def ([A-Za-z0-9]+)Pass *: *[A-Za-z_]*Pass<"([^"]+)".*|\1 \2 \3|p' \
  <(grep -H '^def .*Pass *: *[A-Za-z_]*Pass<' passes/*/*.td))
while read -r lines file; do
  [ "$file" = total ] || [ "$lines" -le 1500 ] || { echo "error: $file has $lines lines, at most 1500 are allowed"; status=1; }
done < <(git ls-files '*.cpp' '*.h' '*.td' '*.py' | xargs wc -l)
exit $status
