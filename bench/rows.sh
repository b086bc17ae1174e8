#!/bin/sh
# What sinks and the Lambda cost, as text that stands at the end of bench/RESULTS.md.
set -eu
cd "$(dirname "$0")/.."

printf '\n## Sinks and the Lambda\n\nCPU time of the client beside others that do the same, and beside what the receiver takes at most. Where the time that passes\nis told too (wall), that of a row of bare speed is the receiver'\''s own limit: requests that cost nothing to make are not swallowed faster.\n'
for script in sinks sinks_logstash sinks_search awslambda; do
    printf '\n```text\n'
    COLUMNS=110 "$1" "bench/$script.py"
    printf '```\n'
done
