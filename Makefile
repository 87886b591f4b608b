# Perdure. `make demo` shows it, `make test` proves it, CONTRIBUTING.md explains it.

export GOTOOLCHAIN := local
SHELL := /bin/bash

# Packages whose tests also run under the race detector.
RACE := ./server/... ./visibility/...

comma := ,

.PHONY: bench-search build test prepare lint unit suites diff dev demo bench bench-vs bench-soak bench-elastic generate clean

build: ## bin/perdure
	go build -trimpath -o bin/perdure ./cmd/perdure

dev: build ## run it: in memory, all ports on loopback
	bin/perdure dev

demo: build ## an order's life on a server of its own
	go run ./examples/demo --binary bin/perdure

test: prepare lint build unit suites ## everything

prepare: ## install what the tests need; silent when all is there
	.ci/prepare

lint: ## format, vet, and the project's own rules
	@unformatted=$$(gofmt -l $$(go list -f '{{.Dir}}' ./...)); \
	if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -w):"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go test ./internal/lint

unit: ## packages by themselves, watched by the race detector
	go test -race -timeout 15m $(RACE)

suites: build ## the rest: the command line, official clients, crashes, on real servers
	PERDURE_BINARY=$(CURDIR)/bin/perdure go test -p 1 -timeout 30m $$(go list ./... | grep -v -e '^perdure/server' -e '^perdure/visibility' -e '^perdure/internal/lint$$')

bench: build ## every suite on SQLite and PostgreSQL, results in bench/results; ARGS='--scenario noop --inflight 64' for one run
	go run ./bench --binary bin/perdure $(or $(ARGS),--stores sqlite$(comma)postgres --suite all --out bench/results)

bench-vs: build ## each scenario on another server (ADDR=host:port) and on ours (STORE=postgres), with ratios
	@test -n "$(or $(ADDR),$(VS))" || { echo 'say which server: make bench-vs ADDR=127.0.0.1:7233'; exit 2; }
	go run ./bench --binary bin/perdure --stores $(or $(STORE),postgres) --vs $(or $(ADDR),$(VS)) --out bench/results $(ARGS)

bench-elastic: prepare ## what Elasticsearch takes of ready-made bulk requests, through the store, and through the indexer; JSON
	go run ./bench/elastic $(ARGS)

bench-soak: build ## a long run: DURATION=2h, PERCENT=70 of the highest throughput, STORE=postgres
	go run ./bench --binary bin/perdure --stores $(or $(STORE),postgres) --suite soak --duration $(or $(DURATION),1h) --percent $(or $(PERCENT),70) --out bench/results $(ARGS)

bench-search: ## search over ROWS rows (10000000) in PostgreSQL: first pages, counts, writes, sizes; JSON on standard output
	go run ./bench/search --rows $(or $(ROWS),10000000) --json $(ARGS)

diff: build ## generated calls on ours and on the official tool's dev server; PERDURE_DIFF_SEEDS=200 for more
	PERDURE_BINARY=$(CURDIR)/bin/perdure tests/differential/diff.sh

generate: ## rewrite generated pages and schemas
	PERDURE_GENERATE=1 go test -count=1 ./server/metrics ./server/config ./server/diagnosis ./dashboards -run Fresh

clean: ## remove what was built, keep downloads
	rm -rf bin
	go clean -testcache
