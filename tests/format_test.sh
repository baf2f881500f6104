#!/usr/bin/env bash
# Every C file of every room and of the tests is as clang-format-14 would have it (.clang-format).
#
#   format_test.sh              proves on a small bad file that it notices, then checks this tree
#   format_test.sh --tree DIR   only the second, for another tree with a .clang-format
#   format_test.sh --fix        formats this tree
#
# Exits with 77 (skipped) where clang-format-14 is missing: other versions lay out differently.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
rooms=(base proto engine media coordinator worker cli tests)
formatter=clang-format-14
batch=16 # files a process, so that all cores work

sources() { # in the current folder, NUL after each
    local present=()
    for room in "${rooms[@]}"; do
        [[ -d $room ]] && present+=("$room")
    done
    find "${present[@]}" -name '*.[ch]' -print0 | sort -z
}

check_tree() ( # DIR
    cd "$1"
    # Formats into nothing and says where; -ferror-limit=1 is enough to name each file.
    if sources | xargs -0 -r -n "$batch" -P "$(nproc)" "$formatter" --dry-run --Werror -ferror-limit=1; then
        return 0
    fi
    echo "format: the files above are not formatted; tests/format_test.sh --fix does it" >&2
    return 1
)

scratch=""
clean_up() {
    [[ -z $scratch ]] || rm -rf "$scratch"
}
trap clean_up EXIT

self_test() {
    scratch=$(mktemp -d)
    mkdir -p "$scratch/cli/deep"
    cp "$root/.clang-format" "$scratch/"
    printf 'int main(void)\n{\n    return 0;\n}\n' >"$scratch/cli/deep/main.c"
    check_tree "$scratch" || { echo "format: self-test: a good file was refused" >&2; exit 1; }
    printf 'int x ;\n' >>"$scratch/cli/deep/main.c"
    if check_tree "$scratch" 2>/dev/null; then
        echo "format: self-test: a bad file was not noticed" >&2
        exit 1
    fi
}

if ! command -v "$formatter" >/dev/null; then
    echo "format: skipped: $formatter is not installed (deploy/packages.sh test installs it)"
    exit 77
fi

case "${1:-}" in
    --fix) cd "$root" && sources | xargs -0 -r -n "$batch" -P "$(nproc)" "$formatter" -i ;;
    --tree) check_tree "$2" ;;
    "")
        self_test
        check_tree "$root"
        echo "format: the tree is in order"
        ;;
    *)
        sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
