#!/bin/sh
# Every C and C++ file is as clang-format leaves it.
cd "$(dirname "$0")/.."
git ls-files '*.cpp' '*.h' '*.hpp' '*.c' | xargs clang-format-22 --dry-run --Werror
