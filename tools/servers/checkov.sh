#!/bin/sh
# checkov: the security checks of the deployment's template. In a Python of its own, for it brings a hundred libraries.
#
#   checkov.sh fetch PYTHON      into the cache, unless it is there: some 300 MB, in about a minute
#   checkov.sh there             whether it is in the cache
#   checkov.sh check FILE...     findings as JSON; nothing is sent or downloaded
set -eu
version=3.3.30
cache=${TAILRACE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tailrace}/checkov-$version

there() {
    [ -e "$cache/complete" ]
}

fetch() {
    if there; then return; fi
    rm -rf "$cache"
    mkdir -p "$(dirname "$cache")"
    "$1" -m venv "$cache"
    "$cache/bin/pip" install --quiet --disable-pip-version-check "checkov==$version"
    touch "$cache/complete"
}

check() {
    "$cache/bin/checkov" --framework cloudformation --compact --skip-download --output json --file "$@"
}

"$@"
