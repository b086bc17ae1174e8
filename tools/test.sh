#!/bin/sh
# Everything that `make test` runs beside the checks.
set -eu
bin=$1

"$bin/python" -m pytest -m "not long" -q --timeout 300 -n auto --maxprocesses 4 --dist loadscope
if command -v cargo >/dev/null; then
    (cd kernel && cargo test --quiet --release --no-default-features)
    "$bin/python" kernel/fuzz/run --seconds 15
fi
