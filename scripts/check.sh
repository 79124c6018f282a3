#!/bin/bash
# Every test: check.sh JOBS SECONDS-PER-FUZZER. Stops at the first stage that fails and says which.
set -eo pipefail
cd "$(dirname "$0")/.."
jobs=$1 seconds=$2
stage() { printf '\n== %s (%ds)\n' "$1" "$SECONDS"; }

stage "format and names"
scripts/check-format.sh
scripts/check-names.sh
stage "lit, units, conformance, models"
cmake --build build -j "$jobs" --target check-lathe
stage "clang-tidy over what reads files"
scripts/tidy.sh
stage "address and undefined-behaviour sanitizers"
[ -f build-sanitize/build.ninja ] || cmake --preset sanitize >/dev/null
cmake --build build-sanitize -j "$jobs" --target check-lathe
stage "fuzzers, $seconds s each"
seed=1 test/fuzz/run.sh "$seconds" # `make fuzz` looks further
stage "thread sanitizer"
[ -f build-thread/build.ninja ] || cmake --preset thread >/dev/null
cmake --build build-thread -j "$jobs" --target check-lathe
stage "done"
