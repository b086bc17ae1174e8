#!/bin/bash
# OpenStack's object store on loopback, with its S3 API: one account, container and object server, and up to two proxies.
#
#   swift.sh fetch PYTHON          into the cache, unless it is there: some 200 MB, in about a minute
#   swift.sh there                 whether it can be started: that, and memcached
#   swift.sh start DIR PORT [KEYSTONE_URL]
#       PORT: users of the configuration (tempauth); S3 key and secret test:tester and testing, test2:tester2 and testing2,
#       test:tester3 (no admin) and testing3. PORT + 1: users of the Keystone whose URL is given, without /v3. The servers behind
#       them and memcached use PORT + 2 to PORT + 5. DIR on a file system with extended attributes. Returns in 3 s.
#       Objects whose time is over are deleted every 2 s with SWIFT_EXPIRER=1.
#   swift.sh stop DIR
#   swift.sh path                  where its command line client is
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cached.sh"
version=2.38.3
place=$cache_root/swift-$version
python=$place/bin/python

there() { cached "$place" && command -v memcached >/dev/null; }
fetch() { install_cached "$place" "$1" "swift==$version" keystonemiddleware==13.0.1 python-swiftclient; }

path() { echo "$place/bin/swift"; }

launch() { # NAME COMMAND...
    local name=$1
    shift
    setsid nohup "$@" >"$dir/log/$name" 2>&1 </dev/null &
    echo $! >"$dir/pid/$name"
}
await() { # PORT...
    local port
    for port; do
        for _ in $(seq 200); do
            (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue 2
            sleep 0.1
        done
        echo "nothing listens on port $port; see $dir/log" >&2
        stop "$dir"
        exit 1
    done
}
common() { # PORT: what every server is told
    printf '[DEFAULT]\nswift_dir = %s\nbind_ip = 127.0.0.1\nbind_port = %s\nuser = %s\nworkers = 0\n' "$dir/etc" "$1" "$(id -un)"
    printf 'log_udp_host = 127.0.0.1\nlog_udp_port = 9\n' # its log is what it prints (-v); not this machine's syslog
}
storage() { # KIND PORT
    {
        common "$2"
        printf 'devices = %s\nmount_check = false\nfallocate_reserve = 0\ndisable_fallocate = true\n' "$dir/data"
        printf '[pipeline:main]\npipeline = %s-server\n[app:%s-server]\nuse = egg:swift#%s\n' "$1" "$1" "$1"
    } >"$dir/etc/$1-server.conf"
    if [ ! -e "$dir/etc/$1.ring.gz" ]; then
        "$python" -W ignore "$here/swift_ring.py" "$dir/etc/$1.ring.gz" "$2"
    fi
}
filters() { # the parts of proxies that need more than their name
    for name in catch_errors healthcheck proxy_logging listing_formats bulk slo dlo symlink copy tempurl; do
        printf '[filter:%s]\nuse = egg:swift#%s\n' "$name" "$name"
    done
    cat <<CONF
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 20
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$memcached
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
[filter:s3api]
use = egg:swift#s3api
s3_acl = true
location = us-east-1
allow_multipart_uploads = true
[filter:tempauth]
use = egg:swift#tempauth
user_admin_admin = admin .admin .reseller_admin
user_test_tester = testing .admin
user_test2_tester2 = testing2 .admin
user_test_tester3 = testing3
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member
[filter:s3token]
use = egg:swift#s3token
auth_uri = $keystone/v3
reseller_prefix = AUTH_
delay_auth_decision = True
$(as_admin)
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = $keystone/v3
delay_auth_decision = True
cache = swift.cache
include_service_catalog = False
$(as_admin)
CONF
}
as_admin() {
    printf 'auth_type = password\nauth_url = %s/v3\nusername = admin\npassword = secret\nproject_name = admin\n' "$keystone"
    printf 'user_domain_id = default\nproject_domain_id = default\n'
}
proxy() { # NAME PORT THE_MIDDLE_OF_ITS_PIPELINE
    {
        common "$2"
        echo '[pipeline:main]'
        echo "pipeline = catch_errors healthcheck proxy_logging cache listing_formats bulk tempurl $3 copy versioned_writes slo dlo symlink proxy_logging proxy-server"
        filters
    } >"$dir/etc/$1.conf"
    launch "$1" "$python" -W ignore "$place/bin/swift-proxy-server" "$dir/etc/$1.conf" -v
}
expirer() {
    {
        common 0
        printf '[object-expirer]\ninterval = 2\ninternal_client_conf_path = %s\n' "$dir/etc/internal.conf"
    } >"$dir/etc/expirer.conf"
    {
        common 0
        printf '[pipeline:main]\npipeline = catch_errors cache proxy-server\n'
        filters
    } >"$dir/etc/internal.conf"
    launch expirer "$python" -W ignore "$here/swift_run.py" "$dir/etc/swift.conf" "$place/bin/swift-object-expirer" "$dir/etc/expirer.conf" -v
}

start() { # DIR PORT [KEYSTONE_URL]
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    keystone=${3:-http://127.0.0.1:1}
    memcached=$(($2 + 5))
    mkdir -p "$dir/etc" "$dir/data/d1" "$dir/log" "$dir/pid"
    printf '[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = z\n[storage-policy:0]\nname = p0\ndefault = yes\n' \
        >"$dir/etc/swift.conf"
    launch memcached memcached -l 127.0.0.1 -p "$memcached" -U 0 -u "$(id -un)"
    local at=$(($2 + 2)) kind
    for kind in object container account; do
        storage $kind $at
        launch $kind "$python" -W ignore "$place/bin/swift-$kind-server" "$dir/etc/$kind-server.conf" -v
        at=$((at + 1))
    done
    await "$memcached" $(($2 + 2)) $(($2 + 3)) $(($2 + 4))
    proxy tempauth "$2" "s3api tempauth"
    if [ -n "${3:-}" ]; then proxy keystone $(($2 + 1)) "authtoken s3api s3token keystoneauth"; fi
    if [ "${SWIFT_EXPIRER:-}" = 1 ]; then expirer; fi
    await "$2"
    if [ -n "${3:-}" ]; then await $(($2 + 1)); fi
}

stop() { # DIR
    local file pid
    for file in "$1"/pid/*; do [ ! -s "$file" ] || kill "$(cat "$file")" 2>/dev/null || true; done
    for file in "$1"/pid/*; do
        pid=$(cat "$file" 2>/dev/null) || continue
        for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -9 "$pid" 2>/dev/null || true
        rm -f "$file"
    done
}

case ${1:-} in
fetch | there | start | stop | path) "$@" ;;
*) echo "fetch, there, start, stop or path" >&2; exit 2 ;;
esac
