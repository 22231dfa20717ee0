# Skerry: targets for people and for CI. `make` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

export CGO_ENABLED ?= 0

# What the tests need beside Go: the one list of apt packages.
APT_PACKAGES := mosquitto mosquitto-clients gcc libc6-dev

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
GOFLAGS_BUILD := -trimpath -ldflags '$(LDFLAGS)'
PACKAGES := ./...
FUZZTIME ?= 15s
KILL_ROUNDS ?= 40

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/skerry for this machine
	go build $(GOFLAGS_BUILD) -o bin/skerry ./cmd/skerry

.PHONY: run
run: build ## build, then a real gateway with simulated sensors; Ctrl-C ends it
	bin/skerry demo

.PHONY: test
test: needs ## all that CI runs: check, 386, fuzz, kill, cross-build, bench smoke
	./.ci/lane check $(MAKE) check
	./.ci/lane 386 $(MAKE) test-386
	./.ci/lane fuzz $(MAKE) fuzz
	./.ci/lane kill $(MAKE) test-kill
	./.ci/lane cross-build $(MAKE) cross-build
	./.ci/lane bench-smoke $(MAKE) bench-smoke

.PHONY: check
check: lint test-unit test-race ## the quick part: lint, unit tests, race detector

.PHONY: test-unit
test-unit: ## unit tests as the product is built, and those of the bench module
	go test $(PACKAGES)
	cd bench && go test ./...

.PHONY: test-race
test-race: ## unit tests under the race detector; the only run with cgo
	CGO_ENABLED=1 go test -race $(PACKAGES)

.PHONY: test-386
test-386: ## unit tests on a 32-bit platform, as on ARM v7 (runs natively on amd64)
	GOARCH=386 go test $(PACKAGES)

.PHONY: test-kill
test-kill: build ## kill -9 an agent under load KILL_ROUNDS times (default 40)
	go test -count=1 -v -timeout 60m -run '^TestKill' ./cmd/skerry -kill.rounds=$(KILL_ROUNDS)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (default 15s)
	./.ci/fuzz $(FUZZTIME)

.PHONY: lint
lint: bin/golangci-lint ## golangci-lint over the repository and the bench module
	bin/golangci-lint run --allow-parallel-runners $(PACKAGES)
	cd bench && ../bin/golangci-lint run --allow-parallel-runners --config ../.golangci.yml ./...

bin/golangci-lint: tools/go.mod tools/go.sum
	cd tools && go build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: bench
bench: build ## print the table of docs/benchmarks.md (about 20 minutes)
	cd bench && go run ./cmd/table

.PHONY: bench-smoke
bench-smoke: build ## every row of the benchmark once, small: that it runs, not how fast
	cd bench && go run ./cmd/table -smoke

.PHONY: cross-build
cross-build: ## static, stripped binaries for all targets into dist/
	./.ci/cross-build '$(LDFLAGS)'

.PHONY: man
man: ## the manual pages into dist/man: look with man -l dist/man/skerry.1
	go test -count=1 -run '^TestManPages$$' ./cmd/skerry -man.out="$(CURDIR)/dist/man"

.PHONY: needs
needs: ## install what the tests need (apt packages); without root print the command
	@missing=(); for p in $(APT_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing+=($$p); done; \
	if (( $${#missing[@]} == 0 )); then exit 0; fi; \
	if (( $$(id -u) != 0 )); then echo "error: the tests need apt packages; run: sudo apt-get install -y $${missing[*]}" >&2; exit 1; fi; \
	apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$${missing[@]}"

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist
