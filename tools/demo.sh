#!/bin/sh
# The main job on samples: a folder laid out like a bucket of logs goes into a store, which answers questions.
set -eu
bin=$1
store=demo/store
rm -rf "$store"

run() {
    printf '\n\033[1m$ tailrace'
    for word in "$@"; do
        case $word in *[\ \*\(]*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\033[0m\n'
    "$bin/tailrace" "$@"
}

run ship demo/bucket --store "$store"
run ship demo/bucket --store "$store"
run receipts --check --store "$store"
run query "SELECT load_balancer, count(*) AS requests, count(*) FILTER (status >= 500) AS errors, round(quantile_cont(latency, 0.95), 3) AS p95_s FROM requests GROUP BY ALL ORDER BY requests DESC" --store "$store"
run report --store "$store"
