# exits.sh CODE COMMAND...: succeeds when the command exits with just that code; passes its output on.
code=$1
shift
"$@"
got=$?
[ $got = "$code" ] || { echo "exits.sh: expected exit code $code, got $got" >&2; exit 1; }
