# Sourced by ci/vmaharness and ci/test: host packages and the virtual environment, made once, nothing when all is there.
# Sets $project and $venv.  The environment lives outside the checkout (VMAHARNESS_CACHE or ~/.cache/vmaharness).
# shellcheck shell=bash

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${VMAHARNESS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vmaharness}

say() { printf 'vmaharness: %s\n' "$*" >&2; }

give_up() {
    say "$1"
    [ $# -lt 2 ] || printf 'fix: %s\n' "$2" >&2
    exit 3
}

python_of_host() {
    # The newest python3 that will do; a bare Debian 12 has 3.11.
    local name
    for name in python3 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            command -v "$name"
            return
        fi
    done
    give_up "Python 3.11 or newer is needed" "apt-get install python3"
}

explain_missing() {
    # PACKAGE, what of it is missing, and what for: a line each.
    PYTHONPATH=$project "$python" -m harness.host.needs --missing --explain >&2
}

install_packages() {
    # What is missing comes from the same table that `vmaharness doctor` shows; standard library only.
    local missing sudo=() name
    missing=$(PYTHONPATH=$project "$python" -m harness.host.needs --missing) || give_up "cannot tell what is missing"
    [ -n "$missing" ] || return 0
    missing=$(printf '%s' "$missing" | tr '\n' ' ')
    if ! command -v apt-get >/dev/null; then
        explain_missing
        give_up "this is no Debian; install the programs above with your distribution's tools"
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
            give_up "these Debian packages are missing and this user may not install them: $missing" \
                "as root: apt-get install --no-install-recommends $missing"
        fi
        sudo=(sudo)
        # sudo keeps none of the environment: not the proxy either, without which apt may reach nothing.
        for name in http_proxy https_proxy no_proxy; do
            [ -z "${!name:-}" ] || sudo+=("--preserve-env=$name")
        done
    fi
    say "installing host packages:"
    explain_missing
    # shellcheck disable=SC2086 # the list is words
    if ! { "${sudo[@]}" apt-get update -qq &&
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } \
        >"$cache/apt.log" 2>&1; then
        tail -n 20 "$cache/apt.log" >&2
        give_up "apt-get could not install them (the whole log: $cache/apt.log)" "check the network and /etc/apt"
    fi
}

forget_environments() {
    # Of checkouts that are gone: up to half a gigabyte each, and nobody else removes them.
    local each
    for each in "$cache"/venv/*/; do
        [ ! -f "${each}checkout" ] || [ -d "$(cat "${each}checkout")" ] || rm -rf "$each"
    done
}

make_environment() {
    # One environment for each checkout, interpreter and list of dependencies; $1 is "" or "[dev]".
    local name wanted
    name=$(printf '%s\n' "$project" "$python" "$("$python" -VV)" | sha256sum | cut -c1-16)
    venv=$cache/venv/$name
    wanted="$1 $(sha256sum <"$project/pyproject.toml")"
    [ "$(cat "$venv/made$1" 2>/dev/null)" != "$wanted" ] || return 0
    forget_environments
    say "making the virtual environment $venv"
    if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c pass 2>/dev/null; then
        "$python" -m venv --clear "$venv" || give_up "cannot make a virtual environment" "apt-get install python3-venv"
    fi
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --editable "$project$1" ||
        give_up "pip could not install the project's dependencies" "check the network"
    printf '%s' "$project" >"$venv/checkout"
    printf '%s' "$wanted" >"$venv/made$1"
}

set_up() {
    mkdir -p "$cache" || give_up "cannot write to the cache $cache" "set VMAHARNESS_CACHE"
    cache=$(cd "$cache" && pwd)
    python=$(python_of_host)
    # Two starts at once: the second waits for the first.
    exec 9>"$cache/setup.lock"
    flock 9
    install_packages
    make_environment "${1:-}"
    exec 9>&-
    # Compiled once, and nothing of it in the checkout: what PYTHONDONTWRITEBYTECODE, which images for containers set, is
    # for.  Without, each start compiles the harness anew, and pytest's each process all tests and a library: seconds.
    unset PYTHONDONTWRITEBYTECODE
    export PYTHONPYCACHEPREFIX=$venv/bytecode
}
