#!/bin/bash
# OpenStack's identity service on loopback: user admin, password secret, project admin; its data in SQLite.
#
#   keystone.sh fetch PYTHON       into the cache, unless it is there: some 300 MB, in about a minute
#   keystone.sh there              whether it is in the cache
#   keystone.sh start DIR PORT     http://127.0.0.1:PORT/v3; returns when it answers: 10 s the first time, later ones 3 s
#   keystone.sh stop DIR
#   keystone.sh project PORT NAME  a project with a user of this name; prints "PROJECT_ID USER_ID EC2_KEY EC2_SECRET", the
#                                  same ones when asked again
#
# Notifications go nowhere unless KEYSTONE_AMQP tells a broker's URL (rabbit://guest:guest@127.0.0.1:PORT/).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cached.sh"
version=30.0.0
place=$cache_root/keystone-$version

there() { cached "$place"; }
fetch() { install_cached "$place" "$1" "keystone==$version" waitress==3.0.2; }

manage() {
    "$place/bin/python" -W ignore "$place/bin/keystone-manage" --config-file "$dir/keystone.conf" "$@" >>"$dir/log/manage" 2>&1
}

configure() { # PORT
    local driver="noop" transport=""
    if [ -n "${KEYSTONE_AMQP:-}" ]; then
        driver=messagingv2
        transport="transport_url = $KEYSTONE_AMQP"
    fi
    # An empty notification_opt_out: else logins are not told.
    cat >"$dir/keystone.conf" <<CONF
[DEFAULT]
log_dir = $dir/log
public_endpoint = http://127.0.0.1:$1/
notification_format = cadf
notification_opt_out =
[oslo_messaging_notifications]
driver = $driver
topics = notifications
$transport
[database]
connection = sqlite:///$dir/keystone.db
[fernet_tokens]
key_repository = $dir/fernet
[credential]
key_repository = $dir/credential
[cache]
enabled = false
CONF
}

prepare() { # PORT
    local url="http://127.0.0.1:$1/v3/" as
    if [ -e "$dir/prepared" ]; then return; fi
    as="--keystone-user $(id -un) --keystone-group $(id -gn)"
    manage db_sync
    # shellcheck disable=SC2086 # several words
    manage fernet_setup $as
    # shellcheck disable=SC2086
    manage credential_setup $as
    manage bootstrap --bootstrap-password secret --bootstrap-region-id RegionOne --bootstrap-public-url "$url" \
        --bootstrap-internal-url "$url" --bootstrap-admin-url "$url"
    touch "$dir/prepared"
}

start() { # DIR PORT
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    mkdir -p "$dir/log"
    mkdir -p -m 700 "$dir/fernet" "$dir/credential"
    configure "$2"
    prepare "$2"
    OS_KEYSTONE_CONFIG_DIR=$dir setsid nohup "$place/bin/python" -W ignore "$here/keystone_serve.py" "$2" \
        >"$dir/log/server" 2>&1 </dev/null &
    echo $! >"$dir/pid"
    for _ in $(seq 300); do
        (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return
        kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
        sleep 0.1
    done
    tail -20 "$dir/log/server" >&2
    stop "$dir"
    exit 1
}

stop() { # DIR
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
}

project() { "$place/bin/python" -W ignore "$here/keystone_project.py" "http://127.0.0.1:$1/v3" "$2"; }

case ${1:-} in
fetch | there | start | stop | project) "$@" ;;
*) echo "fetch, there, start, stop or project" >&2; exit 2 ;;
esac
