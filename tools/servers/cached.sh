# shellcheck shell=bash
# To be read by the scripts beside it: programs from PyPI, each in a Python of its own in the cache, never in the project's.
cache_root=${TAILRACE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tailrace}

cached() { # FOLDER: whether it is there whole
    [ -e "$1/complete" ]
}

install_cached() { # FOLDER PYTHON REQUIREMENT...: at most once, also when several ask at the same time
    local folder=$1 python=$2
    shift 2
    if cached "$folder"; then return; fi
    mkdir -p "$(dirname "$folder")"
    (
        flock 9
        if cached "$folder"; then exit 0; fi
        rm -rf "$folder"
        "$python" -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
        touch "$folder/complete"
    ) 9>"$folder.lock"
}
