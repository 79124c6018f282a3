#!/bin/bash
# Runs the fuzzers of build-sanitize, as many at a time as there are cores: run.sh SECONDS [RUNS [NAME ...]]. Each stops
# after SECONDS or RUNS executions. What it learns stays in build-sanitize/test/fuzz/corpus; a finding is written beside
# it, named in the output, and fails the run. $seed makes what they try the same each time.
set -e
cd "$(dirname "$0")/../.."
export seconds=$1 runs=${2:--1} fuzzers=build-sanitize/test/fuzz
shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- $(cd "$fuzzers" && ls -d fuzz-* | sed 's/^fuzz-//')

# The importer's seeds are ONNX's own tests as well.
if [ -d /usr/share/libonnx-testdata/data/node ] && [ ! -d "$fuzzers/seeds/onnx" ]; then
  mkdir -p "$fuzzers/seeds/onnx"
  for model in /usr/share/libonnx-testdata/data/node/*/model.onnx; do
    cp "$model" "$fuzzers/seeds/onnx/$(basename "$(dirname "$model")")"
  done
fi

fuzz() {
  name=$1 log=$fuzzers/$1.log
  mkdir -p "$fuzzers/corpus/$name" "$fuzzers/findings"
  seeds=$(ls -d "test/fuzz/seeds/$name" "$fuzzers/seeds/$name" 2>/dev/null) # by hand or found earlier; made by the build
  "$fuzzers/fuzz-$name" -seed="${seed:-0}" -max_total_time="$seconds" -runs="$runs" -timeout=30 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$fuzzers/findings/$name-" "$fuzzers/corpus/$name" $seeds >"$log" 2>&1 && failed= || failed=1
  echo "$name: $(grep -oP 'number_of_executed_units:\s*\K\d+' "$log" || echo 0) executions," \
    "$(grep -oP 'new_units_added:\s*\K\d+' "$log" || echo 0) new inputs"
  [ -z "$failed" ] && return
  tail -n 40 "$log"
  echo "error: $name has a finding; hint: it lies in $fuzzers/findings"
  return 1
}
export -f fuzz
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}'
