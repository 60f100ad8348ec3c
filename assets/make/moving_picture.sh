#!/usr/bin/env bash
# The first minute as a moving picture: the starter is trained, its texts stand beside the base's, its prefix is looked into.
#
#     moving_picture.sh PROGRAM OUT.webp [WORKSPACE]
#
# Needs Xvfb, xdotool and ImageMagick. The WORKSPACE must be new.
set -euo pipefail
program="$1" out="$2" workspace="${3:-$(mktemp -d)}"
frames="$(mktemp -d)"
export DISPLAY=:97 LIBGL_ALWAYS_SOFTWARE=1
mkdir -p "$workspace"
printf 'language = "english"\ntheme = "light"\n' > "$workspace/settings.toml"
Xvfb :97 -screen 0 1280x800x24 >/dev/null 2>&1 &
display=$!
window=""
trap 'kill $window $display 2>/dev/null; rm -rf "$frames"' EXIT

n=0
frame() { n=$((n + 1)); import -window root "$(printf '%s/%04d.png' "$frames" "$n")"; }
# A still second of what is to be read.
rest() { for _ in $(seq "$1"); do frame; done; }
press() { xdotool mousemove "$1" "$2" click 1; sleep "${3:-1}"; xdotool mousemove 88 760; }

"$program" --workspace "$workspace" --device cpu gui &
window=$!
sleep 8
rest 3
xdotool mousemove 370 245; sleep 1
rest 2
press 370 245 2
until ls "$workspace"/runs/*/adapter >/dev/null 2>&1; do frame; sleep 2; done
sleep 2
rest 3
press 80 206 4; press 1212 85 6
rest 8
press 80 245 5; press 500 372 6
rest 8

convert -delay 30 -loop 0 "$frames"/*.png -resize 960x -quality 70 -define webp:method=6 "$out"
