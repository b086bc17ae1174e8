#!/bin/sh
# Make the virtual environment and install the package into it. Root installs what the system lacks.
set -eu
venv=$1

python=""
for candidate in python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing Python by apt-get"
        apt-get update -qq && apt-get install -y -qq python3 python3-venv >/dev/null
        python=python3
    else
        echo "Python 3.11 or newer with venv is needed; install it (Debian: apt-get install python3-venv)" >&2
        exit 1
    fi
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "installing tailrace into $venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
"$venv/bin/pip" install --quiet --editable '.[local,aws,deploy,http,amqp,metrics,zstd]'
