#!/usr/bin/env bash
# The shape of the source tree: which room may include what, one place for each file name, short headers.
#
#   layout_test.sh              proves on small bad trees that it notices, then checks this tree
#   layout_test.sh --self-test  only the first
#   layout_test.sh --tree DIR   only the second, for another tree
set -euo pipefail
export LC_ALL=C

header_lines_max=450
rooms=(base proto engine media coordinator worker cli)

declare -A rooms_of=(
    [base]="base"
    [proto]="base proto"
    [engine]="base engine"
    [media]="base media"
    [coordinator]="base proto coordinator"
    [worker]="base proto engine media worker"
    [cli]="base proto cli"
)
declare -A libraries_of=(
    [base]="sodium jansson"
    [proto]="sodium jansson zmq uv protobuf"
    [engine]="sodium jansson blas"
    [media]="sodium jansson av cairo"
    [coordinator]="sodium jansson uv protobuf sqlite zstd"
    [worker]="sodium jansson uv protobuf"
    [cli]="sodium jansson uv protobuf curl"
)

# State machines of the coordinator: no event loop, sockets, database or wire types, however deep.
pure_names='^coordinator/(batch|canary|chain|clip|credit|deadline|effect|farm|farm_[a-z_]*|finish|held|lane|lease|attempt|offer|pace|record|retry|schedule|task|worker_core)\.[ch]$'
impure_libraries="uv zmq sqlite protobuf"

system_headers=" assert complex ctype dirent dlfcn errno fcntl fenv float fnmatch getopt glob grp
 inttypes langinfo libgen limits locale math netdb poll pthread pwd sched semaphore setjmp signal spawn
 stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string strings syslog termios
 time unistd wchar wctype cpuid immintrin "

problems=0
problem() {
    echo "layout: $1" >&2
    problems=$((problems + 1))
}

contains() { # WORD LIST
    [[ " ${2//$'\n'/ } " == *" $1 "* ]]
}

library_of() { # HEADER -> sets `library`; "none" = the system's own, "unknown" = not in any list
    case "$1" in
        sodium.h | sodium/*) library=sodium ;;
        jansson.h) library=jansson ;;
        zmq.h) library=zmq ;;
        uv.h | uv/*) library=uv ;;
        sqlite3.h) library=sqlite ;;
        protobuf-c/* | farm.pb-c.h) library=protobuf ;;
        zstd.h) library=zstd ;;
        curl/*) library=curl ;;
        cblas.h | openblas*) library=blas ;;
        libav*/* | libsw*/*) library=av ;;
        cairo*.h | cairo/* | pango/*) library=cairo ;;
        sys/* | netinet/* | arpa/* | net/* | linux/*) library=none ;;
        *) if contains "${1%.h}" "$system_headers"; then library=none; else library=unknown; fi ;;
    esac
}

# Every #include of the rooms as "FILE KIND HEADER", KIND q for "..." and a for <...>.
list_includes() {
    local present=()
    for room in "${rooms[@]}"; do
        [[ -d $room ]] && present+=("$room")
    done
    find "${present[@]}" -name '*.[ch]' -print0 | sort -z | xargs -0 -r awk '
        match($0, /^[ \t]*#[ \t]*include[ \t]*["<]/) {
            kind = substr($0, RSTART + RLENGTH - 1, 1) == "\"" ? "q" : "a"
            rest = substr($0, RSTART + RLENGTH)
            sub(/[">].*/, "", rest)
            print FILENAME, kind, rest
        }'
}

check_library() { # FILE HEADER
    local room=${1%%/*}
    library_of "$2"
    [[ $library == none ]] && return
    if [[ $library == unknown ]]; then
        problem "$1 includes <$2>, which is neither the system's nor of a known library"
    elif ! contains "$library" "${libraries_of[$room]}"; then
        problem "$1 includes $2; the room $room may use only: ${libraries_of[$room]}"
    fi
}

check_quoted() { # FILE HEADER
    local room=${1%%/*} other=${2%%/*}
    if [[ $2 == farm.pb-c.h ]]; then
        check_library "$1" "$2"
    elif [[ $2 != */* || -z ${rooms_of[$other]:-} ]]; then
        problem "$1 includes \"$2\"; write it as \"ROOM/FILE\""
    elif ! contains "$other" "${rooms_of[$room]}"; then
        problem "$1 includes \"$2\"; the room $room may include only: ${rooms_of[$room]}"
    elif [[ ! -f $2 ]]; then
        problem "$1 includes \"$2\", which does not exist"
    fi
}

declare -A includes_of=() # FILE -> its headers, for the walk from the pure files

check_includes() {
    local file kind header
    includes_of=()
    while read -r file kind header; do
        includes_of[$file]+=" $header"
        if [[ $kind == q ]]; then check_quoted "$file" "$header"; else check_library "$file" "$header"; fi
    done < <(list_includes)
}

check_pure_file() { # FILE
    local queue=("$1") at=0 header
    local -A seen=([$1]=1)
    while ((at < ${#queue[@]})); do
        for header in ${includes_of[${queue[at]}]:-}; do
            library_of "$header"
            if contains "$library" "$impure_libraries"; then
                problem "$1 is pure but reaches $header through ${queue[at]}"
            fi
            [[ -n ${seen[$header]:-} ]] || queue+=("$header")
            seen[$header]=1
        done
        at=$((at + 1))
    done
    if grep -qE '\bclock_(now_ns|wall_ms) *\(' "$1"; then problem "$1 is pure but asks the time"; fi
}

check_pure() {
    local file
    [[ -d coordinator ]] || return 0
    while read -r file; do
        check_pure_file "$file"
    done < <(find coordinator -name '*.[ch]' | grep -E "$pure_names" || true)
}

# A name leads to one place: a pair lives in one folder and no other folder has that stem. Only programs may all have a main.c.
check_names() {
    local stem folders
    while read -r stem folders; do
        problem "the file name $stem is used in several folders: $folders"
    done < <(find "${rooms[@]}" tests -name '*.[ch]' 2>/dev/null | awk '
        {
            folder = $0; sub(/\/[^\/]*$/, "", folder)
            stem = $0; sub(/.*\//, "", stem); sub(/\.[ch]$/, "", stem)
            if (stem == "main" || seen[stem, folder]++) next
            count[stem]++; folders[stem] = folders[stem] " " folder
        }
        END { for (stem in count) if (count[stem] > 1) print stem folders[stem] }' | sort)
}

check_headers() {
    local file lines
    while read -r file; do
        lines=$(wc -l <"$file")
        ((lines <= header_lines_max)) || problem "$file has $lines lines; a header has at most $header_lines_max"
    done < <(find "${rooms[@]}" tests -name '*.h' 2>/dev/null | sort)
}

check_tree() ( # DIR; runs in a subshell, so that the counts of several trees do not mix
    cd "$1"
    problems=0
    check_includes
    check_pure
    check_names
    check_headers
    ((problems == 0))
)

scratch=""
clean_up() {
    [[ -z $scratch ]] || rm -rf "$scratch"
}
trap clean_up EXIT

good_tree() { # DIR
    mkdir -p "$1"/{base,proto,engine,media,coordinator,worker,cli,tests/unit/base}
    printf '#include <stdio.h>\n#include <sodium.h>\n' >"$1/base/error.h"
    printf '#include "base/error.h"\n#include <sys/stat.h>\n' >"$1/base/error.c"
    printf '#include <uv.h>\n#include <zmq.h>\n#include "base/error.h"\n' >"$1/proto/zsock.h"
    printf '#include "farm.pb-c.h"\n#include "proto/zsock.h"\n' >"$1/coordinator/main.c"
    printf '#include "base/error.h"\n' >"$1/coordinator/lease.h"
    printf '#include "coordinator/lease.h"\n' >"$1/coordinator/lease.c"
    printf '#include "engine/engine.h"\n' >"$1/worker/main.c"
    seq 1 "$header_lines_max" | sed 's,.*,// &,' >"$1/engine/engine.h"
    printf '#include <cmocka.h>\n' >"$1/tests/unit/base/test_error.c"
}

expect_bad() { # NAME FILE TEXT MESSAGE: with TEXT added to FILE the good tree must be refused for that reason
    local tree=$scratch/$1 said
    good_tree "$tree"
    mkdir -p "$(dirname "$tree/$2")"
    printf '%b' "$3" >>"$tree/$2"
    if said=$(check_tree "$tree" 2>&1); then
        echo "layout: self-test: $1 was not noticed" >&2
        exit 1
    fi
    if [[ $said != *"$4"* ]]; then
        printf 'layout: self-test: %s gave another problem:\n%s\n' "$1" "$said" >&2
        exit 1
    fi
}

self_test() {
    scratch=$(mktemp -d)
    good_tree "$scratch/good"
    check_tree "$scratch/good" || { echo "layout: self-test: the good tree was refused" >&2; exit 1; }
    expect_bad base_up base/up.c '#include "proto/zsock.h"\n' 'the room base may include only: base'
    expect_bad cli_engine cli/x.c '  #  include "engine/engine.h"\n' 'the room cli may include only'
    expect_bad coordinator_media coordinator/x.c '#include "media/frames.h"\n' 'the room coordinator may include'
    expect_bad engine_proto engine/model/x.c '#include "proto/zsock.h"\n' 'the room engine may include'
    expect_bad base_uv base/x.c '#include <uv.h>\n' 'may use only: sodium jansson'
    expect_bad engine_sqlite engine/x.c '#include <sqlite3.h>\n' 'the room engine may use only'
    expect_bad base_messages base/x.c '#include "farm.pb-c.h"\n' 'the room base may use only'
    expect_bad stranger media/x.c '#include <pcre2.h>\n' 'neither'
    expect_bad bare_name base/x.c '#include "error.h"\n' 'write it as'
    expect_bad up_and_over engine/x.c '#include "../proto/zsock.h"\n' 'write it as'
    expect_bad absent base/x.c '#include "base/gone.h"\n' 'does not exist'
    expect_bad pure_uv coordinator/retry.c '#include <uv.h>\n' 'retry.c is pure but reaches uv.h'
    expect_bad pure_deep coordinator/lease.h '#include "proto/zsock.h"\n' 'lease.c is pure but reaches uv.h'
    expect_bad pure_core coordinator/farm_core_event.c '#include "farm.pb-c.h"\n' 'is pure but reaches farm.pb-c.h'
    expect_bad pure_clock coordinator/batch.c 'int64_t x = clock_now_ns();\n' 'asks the time'
    expect_bad twin_names engine/error.c 'int x;\n' 'the file name error is used'
    expect_bad twin_tests tests/wire/test_error.c 'int x;\n' 'the file name test_error is used'
    expect_bad long_header engine/engine.h '// one more\n' "$((header_lines_max + 1)) lines"
    echo "layout: self-test passed"
}

case "${1:-}" in
    --self-test) self_test ;;
    --tree) check_tree "$2" ;;
    "")
        self_test
        check_tree "$(dirname "$0")/.."
        echo "layout: the tree is in order"
        ;;
    *)
        sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
