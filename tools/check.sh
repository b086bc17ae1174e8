#!/bin/sh
# Formatting, linting, types, layers, lengths. The Rust half is left out only where there is no Rust.
set -eu
bin=$1

"$bin/ruff" format --check --quiet . || { echo "run $bin/ruff format ." >&2; exit 1; }
"$bin/ruff" check --quiet .
"$bin/mypy" --no-error-summary
"$bin/lint-imports" --no-logo >/dev/null || { "$bin/lint-imports" --no-logo; exit 1; }
"$bin/python" tools/lengths.py src tests tools bench kernel/src
if command -v cargo >/dev/null; then
    (cd kernel && cargo fmt --check && cargo clippy --quiet --release --all-targets -- -D warnings)
elif [ "${CI:-}" = true ]; then
    echo "no Rust toolchain" >&2
    exit 1
fi
echo "checks passed"
