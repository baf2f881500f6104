#!/usr/bin/env bash
# Draws long-videos.gif: clips of four windows, chained above, each window a clip of its own below. long-videos.sh DIR, where DIR has what
# tests/bench/long_videos.py renders for the methods chain and unchained. Needs ffmpeg.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:?"DIR of tests/bench/long_videos.py --out is missing"}

inputs=() row=() graph=''
for clip in {chain,unchained}-{a-0,b-1,c-2,d-3,e-0}; do
    graph+="[${#row[@]}]pad=66:66:1:1:0x808080[t${#row[@]}];"
    inputs+=(-f rawvideo -pix_fmt rgb24 -s 64x64 -r 8 -i "$dir/$clip.rgb")
    row+=("[t${#row[@]}]")
done
# A bar below tells the windows apart.
bar="drawbox=y=132:h=4:w=330:t=fill:color=0xffb000:enable='lt(n,16)+between(n,28,39)',drawbox=y=132:h=4:w=330:t=fill:color=0x303030:enable='between(n,16,27)+gte(n,40)'"
graph+="$(printf %s "${row[@]:0:5}")hstack=5[above];$(printf %s "${row[@]:5:5}")hstack=5[below];[above][below]vstack,pad=330:136,$bar"
graph+=",split[a][b];[a]palettegen=max_colors=40[p];[b][p]paletteuse=dither=none"
ffmpeg -v error -y "${inputs[@]}" -filter_complex "$graph" "$here/long-videos.gif"
