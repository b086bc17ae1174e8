#!/bin/bash
# Everything that `make test` runs beside the checks. Servers are installed where that is possible, and started once.
set -eu
bin=$1

tools/servers/install.sh
tools/servers/ministack.sh fetch "$bin/python" || echo "MiniStack cannot be fetched; what needs it is skipped" >&2
tools/servers/checkov.sh fetch "$bin/python" || echo "checkov cannot be fetched; what needs it is skipped" >&2
servers=$(mktemp -d /tmp/tr-XXXXXX) # a short path, for sockets are in it
stop() {
    tools/servers/radosgw.sh stop "$servers/ceph"
    tools/servers/rabbitmq.sh stop "$servers/rabbit"
    tools/servers/ministack.sh stop "$servers/ministack"
    rm -rf "$servers"
}
trap stop EXIT
if command -v radosgw >/dev/null; then
    tools/servers/radosgw.sh start "$servers/ceph" 8350 &
fi
if [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]; then
    tools/servers/rabbitmq.sh start "$servers/rabbit" 5683
    export TAILRACE_TEST_RABBITMQ=5683:$servers/rabbit
fi
if tools/servers/ministack.sh there; then
    tools/servers/ministack.sh start "$servers/ministack" 4610
    export TAILRACE_TEST_MINISTACK=http://127.0.0.1:4610
fi
wait
if command -v radosgw >/dev/null; then
    tools/servers/radosgw.sh user "$servers/ceph" tailrace tailracekey tailracesecret
    export TAILRACE_TEST_RADOSGW=http://127.0.0.1:8350
fi

"$bin/python" -m pytest -m "not long" -q --timeout 300 -n auto --maxprocesses 4 --dist loadscope
if command -v cargo >/dev/null; then
    (cd kernel && cargo test --quiet --release --no-default-features)
    "$bin/python" kernel/fuzz/run --seconds 15
fi
