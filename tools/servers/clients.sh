#!/bin/bash
# The clients that tenants read their logs with: s3cmd and the AWS CLI, in a Python of their own.
#
#   clients.sh fetch PYTHON        into the cache, unless they are there: some 150 MB, in less than a minute
#   clients.sh there               whether they are in the cache
#   clients.sh path s3cmd|aws      where one of them is
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cached.sh"
s3cmd=2.4.0
awscli=1.46.3
place=$cache_root/clients-s3cmd-$s3cmd-awscli-$awscli

there() { cached "$place"; }
fetch() { install_cached "$place" "$1" "s3cmd==$s3cmd" "awscli==$awscli"; }
path() { echo "$place/bin/$1"; }

case ${1:-} in
fetch | there | path) "$@" ;;
*) echo "fetch, there or path" >&2; exit 2 ;;
esac
