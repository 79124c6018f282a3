#!/bin/bash
# Runs every fuzzer of build-sanitize for SECONDS: run.sh SECONDS [NAME ...]. What it learns stays in
# build-sanitize/test/fuzz/corpus; a finding is written beside it, named in the output, and fails the run.
set -e
cd "$(dirname "$0")/../.."
seconds=$1
shift
fuzzers=build-sanitize/test/fuzz
failed=
for fuzzer in "$fuzzers"/fuzz-*; do
  name=$(basename "$fuzzer")
  name=${name#fuzz-}
  [ $# = 0 ] || [[ " $* " = *" $name "* ]] || continue
  corpus=$fuzzers/corpus/$name
  mkdir -p "$corpus" "$fuzzers/findings"
  seeds=
  for folder in test/fuzz/seeds/$name "$fuzzers/seeds/$name"; do # found by hand or earlier; made by the build
    [ ! -d "$folder" ] || seeds="$seeds $folder"
  done
  echo "fuzzing $name for $seconds s"
  log=$fuzzers/$name.log
  if ! "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$fuzzers/findings/$name-" "$corpus" $seeds >"$log" 2>&1; then
    tail -n 40 "$log"
    failed="$failed $name"
  fi
  grep -E 'number_of_executed_units|new_units_added' "$log" || true
done
[ -z "$failed" ] || { echo "error: findings in$failed; hint: they lie in $fuzzers/findings"; exit 1; }
