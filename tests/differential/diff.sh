#!/usr/bin/env bash
# Runs the differential test with the official command line tool's dev server as the second server.
# PERDURE_CLI_DEV names the tool; without it .ci/prepare installs one on demand.
set -euo pipefail
cd "$(dirname "$0")/../.."

tool=${PERDURE_CLI_DEV:-}
if [ -z "$tool" ]; then
  .ci/prepare diff
  tool=.cache/diff/bin/temporal
fi

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$tool" server start-dev --headless --ip 127.0.0.1 --port "$port" --log-level never --dynamic-config-value frontend.WorkflowPauseEnabled=true &
server=$!
trap 'kill "$server"; wait "$server" 2>/dev/null || true' EXIT
for _ in $(seq 100); do
  "$tool" operator namespace describe default --address "127.0.0.1:$port" >/dev/null 2>&1 && break
  kill -0 "$server"
done

PERDURE_DIFF_ADDRESS=127.0.0.1:$port PERDURE_DIFF_SEEDS=${PERDURE_DIFF_SEEDS:-100} go test -count=1 -timeout 30m ./tests/differential
