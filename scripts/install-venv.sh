#!/bin/sh
# A Python environment of what a file of requirements lists, where it isn't there yet: install-venv.sh VENV REQUIREMENTS WHAT
# Nothing that those depend on is added, so they are complete. WHAT is said while it is fetched.
set -e
# It is complete when the requirements that it was made of are in it.
cmp -s "$2" "$1/requirements.txt" && exit 0
echo "$3 ..."
rm -rf "$1"
python3 -m venv "$1"
"$1/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$2"
cp "$2" "$1/requirements.txt"
