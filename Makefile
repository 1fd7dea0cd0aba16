# Tandem. `make help` lists the targets.
SHELL := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X tandem/internal/version.Version=$(VERSION) -X tandem/internal/version.Commit=$(COMMIT)
LINT    := go tool -modfile=tools.mod golangci-lint
FUZZTIME ?= 30s
SOAK ?= 30m

.PHONY: help build build-pam bench-pam demo test test-quick mutants soak fuzz lint fmt deps clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## tandemd and tandem into bin/, static
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/tandemd ./cmd/tandem

build-pam: ## the PAM module and its helper (needs gcc and libpam0g-dev)
	$(MAKE) -C pamhelper/module
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/tandem-pam

demo: build ## see it at work: real RADIUS logins on loopback, explained
	@go run ./test/demo

test: deps ## every test, with the race detector, against real servers
	go vet ./...
	CGO_ENABLED=0 go build -trimpath -o /dev/null ./cmd/tandemd && CGO_ENABLED=0 go build -trimpath -o /dev/null ./cmd/tandem
	go test -race -shuffle=on -timeout 14m ./...

test-quick: ## the tests that need no other program
	go test -short ./...

mutants: deps ## take each defence out and see its test fail
	go run ./test/mutants

soak: deps ## load with faults for SOAK: kills, partitions, broken disks (as root)
	go test -count=1 -timeout 0 -v -run '^TestSoak$$' ./test/faults -soak $(SOAK)

fuzz: ## every fuzz target for FUZZTIME each
	@test/fuzz.sh $(FUZZTIME)

bench-pam: ## a PAM login beside pam_permit, pam_google_authenticator and pam_oath
	@test/deps.sh bench
	go run ./test/pambench

lint: ## the linters, pinned in tools.mod
	$(LINT) run ./...

fmt: ## gofumpt and import order
	$(LINT) fmt ./...

deps: ## install what the tests need (as root; else say what is missing)
	@test/deps.sh

clean: ## remove what was built
	rm -rf bin
