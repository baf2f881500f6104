#!/usr/bin/env bash
# Installs what the suite needs, builds with ASan and UBSan, runs every test. Extra arguments go to ctest (e.g. -R unit/base).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

./deploy/packages.sh test

werror=OFF
[ "${CI:-}" = true ] && werror=ON
cmake --preset asan -DZOE_WERROR=$werror >/dev/null
cmake --build --preset asan

# libzmq, libav, cairo and OpenBLAS keep caches until exit: only leaks of our own count.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1}
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$root/tests/lsan.supp:print_suppressions=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
ctest --test-dir build/asan --output-on-failure -j "$(nproc)" "$@"
