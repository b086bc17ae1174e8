#!/bin/sh
# Install the servers that tests run against, where they are missing. Without root they stay missing, and tests say so.
set -eu
missing=""
command -v radosgw >/dev/null || missing="$missing ceph-mon ceph-osd radosgw ceph-common"
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing="$missing rabbitmq-server"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "without root these servers cannot be installed:$missing; what needs them is skipped" >&2
    exit 0
fi
echo "installing$missing by apt-get"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then # Debian's packages start no daemons then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086 # one word each
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
