#!/usr/bin/env bash
# One answer, a stream, and the rest of a run behind an event: `TOKEN=... examples/shell/chat.sh`
set -euo pipefail

url=${POLYAGENT_URL:-http://localhost:8080}
ask='{"message": "What is the capital of France?"}'

function api() {
  curl --silent --show-error --fail-with-body --no-buffer \
    --header "Authorization: Bearer $TOKEN" --header "Content-Type: application/json" "$@"
}
function field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

echo "# One answer"
api "$url/api/v1/chat" --data "$ask"
echo

echo "# The same as a stream of events"
api "$url/api/v1/chat/stream" --data "$ask"

echo "# A run in the background"
run=$(api "$url/api/v1/runs" --data "$ask" | field id)
events=$(api "$url/api/v1/runs/$run/events")
grep '^event: ' <<<"$events"

echo "# The same run, behind its first event"
first=$(sed -n '0,/^id: /s/^id: //p' <<<"$events")
api "$url/api/v1/runs/$run/events" --header "Last-Event-ID: $first" | grep '^event: '
