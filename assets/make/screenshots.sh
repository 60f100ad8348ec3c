#!/usr/bin/env bash
# Pictures of every screen of the real window, dark, light and in Chinese, from a workspace with three small runs.
#
#     screenshots.sh PROGRAM OUT [WORKSPACE]
#
# Needs Xvfb, xdotool and ImageMagick. With a WORKSPACE that has runs, those are shown instead.
set -euo pipefail
program="$1" out="$2" workspace="${3:-$(mktemp -d)}"
export DISPLAY=:95 LIBGL_ALWAYS_SOFTWARE=1
mkdir -p "$out" "$workspace"
Xvfb :95 -screen 0 1280x800x24 >/dev/null 2>&1 &
display=$!
window=""
trap 'kill $window $display 2>/dev/null' EXIT

train() { "$program" --workspace "$workspace" --device cpu train "$@" >/dev/null 2>&1; }
if [ -z "$(ls "$workspace/runs" 2>/dev/null)" ]; then
    train --name "prefix 5" --prefix 5 --steps 150
    train --name "MLP 256" --prefix 10 --steps 150 --set method.reparameterization.width=256
    train --name "records"
fi

picture() { sleep "${2:-2}"; import -window root "$out/$1-$look.png"; }
press() { xdotool mousemove "$1" "$2" click 1; }
rail() { press 80 $((89 + 39 * $1)); }

for look in dark light chinese; do
    theme=dark language=english
    [ "$look" = dark ] || theme=light
    [ "$look" = chinese ] && language=chinese
    printf 'language = "%s"\ntheme = "%s"\n' "$language" "$theme" > "$workspace/settings.toml"
    "$program" --workspace "$workspace" --device cpu gui --run records &
    window=$!
    sleep 5
    xdotool mousemove 640 790
    picture training 1
    rail 0; picture runs
    rail 1; picture new-run 4
    rail 3; sleep 3; press 1212 85; xdotool mousemove 640 790; picture compare 5
    rail 4; picture evaluate 3
    rail 5; sleep 3; press 318 467; xdotool mousemove 640 790; picture explorer 5
    rail 6; picture library
    rail 7; picture settings
    kill "$window"
    wait "$window" 2>/dev/null || true
done
