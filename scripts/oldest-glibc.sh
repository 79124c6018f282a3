#!/bin/bash
# The oldest glibc that has every symbol that these files import: oldest-glibc.sh FILE...
set -eo pipefail
objdump -T "$@" | grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -1 | sed 's/GLIBC_//'
