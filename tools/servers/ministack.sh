#!/bin/sh
# MiniStack: S3, SQS and CloudWatch Logs on loopback, and a Lambda that really runs what its packages hold.
#
#   ministack.sh fetch PYTHON      into the cache, unless it is there: some 130 MB, in less than a minute
#   ministack.sh there             whether it is in the cache
#   ministack.sh start DIR PORT    data in DIR; returns when it answers
#   ministack.sh stop DIR
#
# Functions run in its own Python, which is PYTHON's version and has boto3, as AWS's runtime has.
set -eu
version=1.5.33
cache=${TAILRACE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tailrace}/ministack-$version

there() {
    [ -x "$cache/bin/ministack" ]
}

fetch() {
    if there; then return; fi
    rm -rf "$cache"
    mkdir -p "$(dirname "$cache")"
    "$1" -m venv "$cache"
    "$cache/bin/pip" install --quiet --disable-pip-version-check "ministack==$version" boto3
}

start() {
    dir=$1
    port=$2
    mkdir -p "$dir"
    cd "$dir"
    GATEWAY_PORT=$port EDGE_PORT=$port BIND_HOST=127.0.0.1 IOT_MTLS_ENABLED=0 LAMBDA_EXECUTOR=local \
        MINISTACK_REGION=eu-west-1 MINISTACK_ACCOUNT_ID=123456789012 STATE_DIR="$dir/state" S3_DATA_DIR="$dir/s3" \
        LAMBDA_ASYNC_RETRY_BASE_SECONDS=1 LAMBDA_ASYNC_RETRY_MAX_SECONDS=2 \
        nohup "$cache/bin/ministack" >"$dir/log" 2>&1 &
    echo $! >"$dir/pid"
    for _ in $(seq 300); do
        if "$cache/bin/python" -c "
import urllib.request as u
u.urlopen('http://127.0.0.1:$port/_ministack/health', timeout=2)" 2>/dev/null; then return; fi
        kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
        sleep 0.1
    done
    tail -20 "$dir/log" >&2
    stop "$dir"
    exit 1
}

stop() {
    pid=$(cat "$1/pid" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
}

"$@"
