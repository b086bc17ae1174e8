#!/bin/bash
# An object store that speaks S3 and sends events: Ceph's gateway with a monitor and one OSD, all on loopback.
#
#   radosgw.sh start DIR [PORT=8000]     S3 at http://127.0.0.1:PORT; the first start takes 16 s, later ones 6 s
#   radosgw.sh user DIR UID KEY SECRET
#   radosgw.sh stop DIR
#
# The monitor listens on PORT + 100 and the OSD above PORT + 200. DIR must have a short path: sockets are in it.
set -eu
action=${1:?start, user or stop}
mkdir -p "${2:?a folder}"
dir=$(cd "$2" && pwd)
conf=$dir/ceph.conf
here=$(cd "$(dirname "$0")" && pwd)

alive() { [ -s "$dir/$1.pid" ] && kill -0 "$(cat "$dir/$1.pid")" 2>/dev/null; }
launch() { # NAME COMMAND...
    local name=$1
    shift
    setsid nohup "$@" >"$dir/log/$name.out" 2>&1 </dev/null &
    echo $! >"$dir/$name.pid"
}
end() {
    alive "$1" && kill "$(cat "$dir/$1.pid")"
    for _ in $(seq 1 200); do alive "$1" || break; sleep 0.1; done
    alive "$1" && kill -9 "$(cat "$dir/$1.pid")"
    rm -f "$dir/$1.pid"
}

start() {
    local port=$1 fsid=$dir/fsid
    mkdir -p "$dir/run" "$dir/log" "$dir/mon" "$dir/osd0" "$dir/rgw"
    [ -s "$fsid" ] || cat /proc/sys/kernel/random/uuid >"$fsid"
    sed -e "s|@DIR@|$dir|g; s|@FSID@|$(cat "$fsid")|g; s|@MON_PORT@|$((port + 100))|g; s|@RGW_PORT@|$port|g" \
        -e "s|@OSD_PORT_MIN@|$((port + 200))|g; s|@OSD_PORT_MAX@|$((port + 299))|g" "$here/ceph.conf.in" >"$conf"
    if [ ! -e "$dir/mon/kv_backend" ]; then
        monmaptool --create --addv a "[v1:127.0.0.1:$((port + 100))]" --fsid "$(cat "$fsid")" --clobber "$dir/monmap" >/dev/null
        ceph-mon -c "$conf" --mkfs -i a --monmap "$dir/monmap" >"$dir/log/mon.mkfs" 2>&1
    fi
    launch mon ceph-mon -c "$conf" -f -i a
    if [ ! -e "$dir/osd0/fsid" ]; then
        uuid=$(cat /proc/sys/kernel/random/uuid)
        timeout 30 ceph -c "$conf" osd new "$uuid" >/dev/null 2>&1
        ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$uuid" >"$dir/log/osd.mkfs" 2>&1
    fi
    launch osd ceph-osd -c "$conf" -f -i 0
    up=""
    for _ in $(seq 1 100); do
        timeout 5 ceph -c "$conf" osd stat 2>/dev/null | grep -q '1 up' && up=yes && break
        alive osd || break
        sleep 0.2
    done
    [ -n "$up" ] || return 1
    launch rgw radosgw -c "$conf" -f -n client.rgw.a
    for _ in $(seq 1 600); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
        sleep 0.1
    done
    return 1
}
stop() { for name in rgw osd mon; do end $name; done; } # the gateway first: it does not end once the OSD is gone

case $action in
start) # now and then a new OSD and its monitor do not find together: then both are made anew
    for _ in 1 2 3; do
        start "${3:-8000}" && exit 0
        stop
        rm -rf "$dir/mon" "$dir/osd0" "$dir/rgw" "$dir/fsid" "$dir/monmap"
    done
    echo "radosgw did not start; see $dir/log" >&2
    exit 1 ;;
user) radosgw-admin -c "$conf" user create --uid="${3:?uid}" --display-name="$3" --access-key="${4:?key}" --secret-key="${5:?secret}" >/dev/null ;;
stop) stop ;;
*) echo "start, user or stop" >&2; exit 2 ;;
esac
exit 0
