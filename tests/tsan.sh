#!/usr/bin/env bash
# Builds with ThreadSanitizer and runs the suite under it: about an hour and a half on two cores. Extra arguments go to ctest (e.g. -R wire/).
# Every report turns it red, also one of a process whose exit code no test looks at.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

./deploy/packages.sh test
cmake --preset tsan >/dev/null
cmake --build --preset tsan

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
export TSAN_OPTIONS="halt_on_error=0:exitcode=66:second_deadlock_stack=1:suppressions=$root/tests/tsan.supp:log_path=$reports/report"
export ZOE_TEST_SLOW=${ZOE_TEST_SLOW:-8}
code=0
# Fuzz targets and the rules of the tree have no threads to look at; chaos judges by times of programs at their full speed.
ctest --test-dir build/tsan --output-on-failure --timeout 3600 -j "$(nproc)" -E '^(fuzz/|chaos/|format|layout)' "$@" || code=$?
cat "$reports"/report* 2>/dev/null && code=1
exit "$code"
