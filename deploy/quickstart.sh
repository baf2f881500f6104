#!/usr/bin/env bash
# From a bare Debian 12 to 24 rendered clips: installs what is missing, builds, renders examples/shapes.txt on an embedded farm of two workers.
# Run again, it does only what is missing. Results: quickstart/ (or the folder given as the first argument).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/quickstart}
zoe=$root/build/release/bin/zoe

"$root/deploy/packages.sh" run

build() {
    [ -f "$root/build/release/build.ninja" ] || cmake -S "$root" --preset release -DZOE_TESTS=OFF >/dev/null
    ninja -C "$root/build/release" --quiet
}
(cd "$root" && build)

"$zoe" farm up --workers 2
pages=$("$zoe" submit "$root/examples/shapes.txt" --model shapes --seeds 2 --name quickstart --out "$out")
sheet=${pages%%$'\n'*}
page=${pages##*$'\n'}

printf '\nClips\n'
printf '  %s\n' "$(dirname "$sheet")"/*.mp4
printf 'Contact sheet\n  %s\nPage to open in a browser\n  %s\n' "$sheet" "$page"
