#!/usr/bin/env bash
# The stack of compose.yaml as plain processes on loopback, for machines without a container engine: PostgreSQL,
# Elasticsearch, Perdure, the demo workers, Prometheus with our rules, Alertmanager, Jaeger. Prints where things are and
# runs until Ctrl-C; then all of it ends. `compose/local.sh --help` lists the options. What it needs, .ci/prepare installs.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
[ -n "${PERDURE_BINARY:-}" ] || go build -trimpath -o bin/perdure ./cmd/perdure
go build -o bin/shop ./examples/shop
go build -o bin/local-stack ./compose/local
exec bin/local-stack "$@"
