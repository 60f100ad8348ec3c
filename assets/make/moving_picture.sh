#!/usr/bin/env bash
# The first minute as a moving picture: the starter is trained, its texts stand beside the base's, its prefix is looked into.
#
#     moving_picture.sh PROGRAM OUT.webp [WORKSPACE]
#
# Needs Xvfb, xdotool and ImageMagick. The WORKSPACE must be new. However long training takes, it is told in as many frames;
# PATIENCE=3 waits three times as long for each screen.
set -euo pipefail
program="$1" out="$2" workspace="${3:-$(mktemp -d)}" patience="${PATIENCE:-1}"
frames="$(mktemp -d)"
export DISPLAY=:97 LIBGL_ALWAYS_SOFTWARE=1
mkdir -p "$workspace" "$frames/training"
printf 'language = "english"\ntheme = "light"\n' > "$workspace/settings.toml"
Xvfb :97 -screen 0 1280x800x24 >/dev/null 2>&1 &
display=$!
window=""
trap 'kill $window $display 2>/dev/null; rm -rf "$frames"' EXIT

n=0
frame() { n=$((n + 1)); import -window root "$(printf '%s/%04d.png' "$frames" "$n")"; }
# A still second of what is to be read.
rest() { for _ in $(seq "$1"); do frame; done; }
pause() { sleep $(($1 * patience)); }
press() { xdotool mousemove "$1" "$2" click 1; pause "${3:-1}"; xdotool mousemove 88 760; sleep 1; }
# An entry of the rail, counted from 0: Runs, New run, Training, Compare, Evaluate, Explorer.
rail() { press 80 $((89 + 39 * $1)) "$2"; }

"$program" --workspace "$workspace" --device cpu gui &
window=$!
xdotool mousemove 88 760
pause 8
rest 3
xdotool mousemove 370 245; sleep 1
rest 2
press 370 245 2

# Of all that was seen of training so many pictures at equal distances.
seen=0 shown=24
until ls "$workspace"/runs/*/adapter >/dev/null 2>&1; do
    seen=$((seen + 1))
    import -window root "$frames/training/$(printf '%05d' "$seen").png"
    sleep 2
done
for i in $(seq "$shown"); do
    n=$((n + 1))
    cp "$frames/training/$(printf '%05d' $(((i * seen + shown - 1) / shown)))".png "$(printf '%s/%04d.png' "$frames" "$n")"
done
pause 2
rest 4
rail 3 4
press 1212 79 6
rest 8
rail 5 5
press 332 487 6
rest 8

convert -delay 30 -loop 0 "$frames"/*.png -resize 960x -quality 70 -define webp:method=6 "$out"
