#!/bin/sh
# The tests that take long: random campaigns and big files.
set -eu
bin=$1

"$bin/python" -m pytest -m long -q
"$bin/python" kernel/fuzz/run --runs 12000000
