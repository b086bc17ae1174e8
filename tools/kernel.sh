#!/bin/sh
# Build and install the native kernel. Where that cannot be done the reference twin reads, except in CI.
set -eu
venv=$1

without() {
    if [ "${CI:-}" = true ]; then
        echo "the native kernel cannot be built: $1" >&2
        exit 1
    fi
    echo "the native kernel cannot be built ($1): the reference twin in Python reads instead, more than a hundred times slower"
    "$venv/bin/pip" uninstall --quiet --yes tailrace-kernel 2>/dev/null || true
    exit 0
}

# A package of the system helps only if it is new enough.
recent() {
    candidate=$(apt-cache policy "$1" | sed -n 's/ *Candidate: *//p')
    [ -n "$candidate" ] && dpkg --compare-versions "$candidate" ge "$2"
}

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    missing=""
    command -v cc >/dev/null || missing="gcc libc6-dev"
    if ! command -v cargo >/dev/null; then
        apt-get update -qq || true
        if recent cargo 1.89; then missing="$missing cargo rustc"; fi
    fi
    if [ -n "$missing" ]; then
        echo "installing $missing by apt-get"
        # shellcheck disable=SC2086 - these are several packages
        { apt-get update -qq && apt-get install -y -qq $missing >/dev/null; } || true
    fi
fi
command -v cargo >/dev/null || without "no Rust toolchain; install Rust 1.89 or newer"

echo "building the native kernel"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$venv/bin/pip" install --quiet --force-reinstall --no-deps ./kernel >"$log" 2>&1 || { tail -n 20 "$log" >&2; without "see above"; }
