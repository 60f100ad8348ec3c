#!/usr/bin/env bash
# Opens a page that `prefix-workbench report` wrote in Chromium without a network: pictures in the light and the dark theme and
# narrow, the pages that a printer gets. Fails where the page asks for anything or complains on the console.
#
#     report_screenshot.sh REPORT.html OUT
#
# Needs Chromium and Python 3; with pdftoppm the printed pages are pictures too.
set -euo pipefail
report=$(realpath "$1") out="$2"
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
mkdir -p "$out"
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT

# Every name leads nowhere: what the page would ask for fails, and is in the log.
browse() {
    "$chromium" --headless=new --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$profile" \
        --host-resolver-rules='MAP * ~NOTFOUND' --disable-background-networking --disable-component-update \
        --no-first-run --log-net-log="$out/net.json" --net-log-capture-mode=Default --enable-logging=stderr --v=0 \
        "$@" "file://$report" 2>"$out/log.txt"
    python3 - "$out/net.json" "$out/log.txt" "$report" <<'PY'
import json, re, sys
net, log, report = sys.argv[1:]
console = [line for line in open(log, errors="replace") if "CONSOLE" in line]
text = open(net, errors="replace").read()
try:
    events = json.loads(text)["events"]
except ValueError:  # cut short when the browser ends
    events = json.loads(text.rstrip().rstrip(",") + "]}")["events"]
urls = {event.get("params", {}).get("url", "") for event in events}
# The browser looks for its own updates and services; a page in a file has no other origin than these.
own = re.compile(r"https?://([\w.-]*\.)?(google|googleapis|gstatic|gvt1)\.com[:/]")
asked = sorted(url for url in urls if re.match(r"(https?|ftp|wss?):", url) and not own.match(url))
for line in console:
    print("console:", line.strip(), file=sys.stderr)
for url in asked:
    print("asked for:", url, file=sys.stderr)
sys.exit(bool(console or asked))
PY
}

height=${HEIGHT:-5200}
browse --screenshot="$out/light.png" --window-size=1180,"$height" --blink-settings=preferredColorScheme=1
browse --screenshot="$out/dark.png" --window-size=1180,"$height" --blink-settings=preferredColorScheme=0
browse --screenshot="$out/narrow.png" --window-size=520,"$height" --blink-settings=preferredColorScheme=1
browse --print-to-pdf="$out/print.pdf" --no-pdf-header-footer
if command -v pdftoppm >/dev/null; then pdftoppm -r 60 -png "$out/print.pdf" "$out/print"; fi
rm -f "$out/net.json" "$out/log.txt"
echo "$out"
