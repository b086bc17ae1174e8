#!/bin/bash
# A message broker: RabbitMQ on loopback, as the user that starts it.
#
#   rabbitmq.sh start DIR [PORT=5673]    amqp://guest:guest@127.0.0.1:PORT/ in 5 s
#   rabbitmq.sh stop DIR
#   rabbitmq.sh ctl DIR ARGUMENT...      rabbitmqctl
#
# Erlang's port mapper listens on PORT + 1000, its distribution on PORT + 20000.
set -eu
action=${1:?start, stop or ctl}
mkdir -p "${2:?a folder}"
dir=$(cd "$2" && pwd)
[ "$action" = start ] && echo "${3:-5673}" >"$dir/port"
port=$(cat "$dir/port")
bin=/usr/lib/rabbitmq/bin
mkdir -p "$dir/home" "$dir/mnesia" "$dir/log"
export HOME=$dir/home ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$((port + 1000))
export RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=$port
export RABBITMQ_DIST_PORT=$((port + 20000)) RABBITMQ_MNESIA_BASE=$dir/mnesia RABBITMQ_LOG_BASE=$dir/log
export RABBITMQ_PID_FILE=$dir/rabbit.pid RABBITMQ_CONFIG_FILE=$dir/rabbitmq RABBITMQ_CONF_ENV_FILE=$dir/rabbitmq-env.conf
export RABBITMQ_ENABLED_PLUGINS_FILE=$dir/enabled_plugins
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none"

start() {
    : >"$dir/rabbitmq-env.conf"
    echo '[].' >"$dir/enabled_plugins"
    printf 'listeners.tcp.1 = 127.0.0.1:%s\nvm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 200MB\n' \
        "$port" >"$dir/rabbitmq.conf"
    setsid nohup "$bin/rabbitmq-server" >"$dir/log/server.out" 2>&1 </dev/null &
    echo $! >"$dir/server.pid"
    for _ in $(seq 1 300); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            timeout 60 "$bin/rabbitmqctl" await_startup >/dev/null 2>&1 && return
        fi
        sleep 0.1
    done
    echo "RabbitMQ did not start; see $dir/log" >&2
    exit 1
}

stop() {
    group=$(cat "$dir/server.pid" 2>/dev/null || echo 0)
    timeout 30 "$bin/rabbitmqctl" stop >/dev/null 2>&1 || true
    for _ in $(seq 1 200); do [ "$group" != 0 ] && kill -0 "$group" 2>/dev/null || break; sleep 0.1; done
    [ "$group" = 0 ] || kill -TERM -- "-$group" 2>/dev/null || true
    rm -f "$dir/server.pid"
    epmd -port "$ERL_EPMD_PORT" -kill >/dev/null 2>&1 || true # only the port mapper of this folder
}

case $action in
start) start ;;
stop) stop ;;
ctl) shift 2; exec "$bin/rabbitmqctl" "$@" ;;
*) echo "start, stop or ctl" >&2; exit 2 ;;
esac
exit 0
