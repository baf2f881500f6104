#!/usr/bin/env bash
# Installs the packages of packages.txt that are missing: packages.sh run|test. Needs root or sudo only when something is missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
want=${1:-run}

names() {
    awk -v want="$want" '$1 == "run" || ($1 == "test" && want == "test") { print $2 }' "$here/packages.txt"
}

missing() {
    for name in $(names); do
        dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || echo "$name"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "packages.sh: these packages are missing and there is neither root nor sudo: $todo" >&2
        exit 1
    fi
}

command -v apt-get >/dev/null || { echo "packages.sh: this script knows Debian 12 only; install by hand: $(names | tr '\n' ' ')" >&2; exit 1; }
todo=$(missing | tr '\n' ' ')
[ -n "${todo// /}" ] || exit 0
echo "Installing: $todo" >&2
as_root apt-get update -qq
# shellcheck disable=SC2086
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $todo >&2
