#!/bin/sh
# Measure Tailrace beside its peers. Root installs GoAccess; without it its row is left out.
set -eu
bin=$1

"$bin/pip" install --quiet --group bench
if ! command -v goaccess >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing GoAccess by apt-get"
    { apt-get update -qq && apt-get install -y -qq goaccess >/dev/null; } || true
fi
command -v goaccess >/dev/null || echo "GoAccess is not installed: its row is left out" >&2
"$bin/python" bench/run.py
bench/rows.sh "$bin/python" | tee -a bench/RESULTS.md
