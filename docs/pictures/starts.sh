#!/usr/bin/env bash
# Draws starts.png: what clips make of the files they start from. Needs `zoe` of this build (ZOE_BIN, default build/release/bin) and ffmpeg.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
zoe=${ZOE_BIN:-$here/../../build/release/bin}/zoe
work=$(mktemp -d)
trap '"$zoe" farm down --state "$work/farm" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
cd "$work"

render() { "$zoe" render -q --state "$work/farm" "$@"; }
strip() { ffmpeg -v error -y -i "$1.mp4" -vf "select='not(mod(n,2))',tile=8x1" -frames:v 1 "$1.png"; }

"$zoe" farm up --state "$work/farm" >/dev/null
on="on a black background"
ffmpeg -v error -f lavfi -i "color=black:64x64,drawbox=x=40:w=24:h=64:color=white:t=fill" -frames:v 1 right.png

render "a blue circle moving right $on" --seed 3 -o 1.mp4
render "a red circle moving right $on" --seed 3 --init-video 1.mp4 --strength 0.7 -o 2.mp4
render "a yellow circle moving right $on" --seed 7 --init-video 1.mp4 --mask right.png -o 3.mp4
ffmpeg -v error -i 1.mp4 -frames:v 1 first.png
render "a blue circle moving right $on" --seed 5 --init-image first.png -o 4.mp4
render "a red square spinning $on" --seed 3 --loop -o 5.mp4
for row in 1 2 3 4 5; do strip $row; done
ffmpeg -v error -y -i 1.png -i 2.png -i 3.png -i 4.png -i 5.png -filter_complex vstack=5 "$here/starts.png"
