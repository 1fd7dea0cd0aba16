# Tandem. `make help` lists the targets.
SHELL := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
# The time of the commit, for all that has a time in it: two builds of one commit are the same (reproducible-builds.org).
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
DATE    := $(shell date -u -d @$(SOURCE_DATE_EPOCH) +%Y-%m-%dT%H:%M:%SZ)
LDFLAGS := -s -w -X tandem/internal/version.Version=$(VERSION) -X tandem/internal/version.Commit=$(COMMIT) -X tandem/internal/version.Date=$(DATE)
LINT    := go tool -modfile=tools.mod golangci-lint
FUZZTIME ?= 30s
SOAK ?= 30m
ROUNDS ?= 3
DURATION ?= 2s
BENCH ?= .
ARCHES ?= amd64 arm64
PACKAGES ?= build/packages

.PHONY: help build build-pam bench-pam bench bench-compare demo man completion test test-quick mutants soak fuzz lint fmt deps packages reproducible sbom container-root test-packages clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## tandemd and tandem into bin/, static
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/tandemd ./cmd/tandem

build-pam: ## the PAM module and its helper (needs gcc and libpam0g-dev)
	$(MAKE) -C pamhelper/module
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/tandem-pam

demo: build ## see it at work: real RADIUS logins on loopback, explained
	@go run ./test/demo

man: ## the manual pages, into build/man
	go run ./docs/man/generate -out build/man

completion: ## what completes the commands in bash, zsh and fish, into build/completion
	@mkdir -p build/completion/bash build/completion/zsh build/completion/fish
	go run ./cmd/tandem completion bash >build/completion/bash/tandem
	go run ./cmd/tandem completion zsh >build/completion/zsh/_tandem
	go run ./cmd/tandem completion fish >build/completion/fish/tandem.fish
	@cp build/completion/bash/tandem build/completion/bash/tandemd # each shell looks for a file of the command's name
	@cp build/completion/fish/tandem.fish build/completion/fish/tandemd.fish

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

bench: ## beside FreeRADIUS, all cases or CASE=file,ldap …, with ROUNDS=3 and DURATION=2s (as root; some 20 minutes)
	@test/deps.sh bench
	go run ./test/bench -rounds $(ROUNDS) -duration $(DURATION) $(if $(CASE),-case $(CASE))

bench-compare: ## the micro-benchmarks that fit BENCH, here and at revision BASE, compared by benchstat
	@test/bench/compare.sh '$(BASE)' '$(BENCH)'

lint: ## the linters, pinned in tools.mod
	$(LINT) run ./...

fmt: ## gofumpt and import order
	$(LINT) fmt ./...

deps: ## install what the tests need (as root; else say what is missing)
	@test/deps.sh

# What the scripts in packaging/ are told.
PACKAGING = export GO_LDFLAGS='$(LDFLAGS)' DATE=$(DATE) SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) \
	PACKAGE_VERSION=$$(packaging/version.sh $(VERSION) $(SOURCE_DATE_EPOCH));

packages: man completion ## .deb and .rpm for ARCHES into PACKAGES (packaging/README.md)
	@$(PACKAGING) packaging/build.sh $(PACKAGES) $(ARCHES)

reproducible: man completion ## build the packages twice, in two folders, and compare them
	@$(PACKAGING) packaging/reproducible.sh $(ARCHES)

sbom: build ## what is inside the programs: CycloneDX, and the licences, into build/
	@mkdir -p build
	go run ./packaging/sbom -version $(VERSION) -date $(DATE) -bom build/sbom.cdx.json -notices build/THIRD-PARTY bin/tandemd bin/tandem

container-root: ## what the container image consists of, into ROOT (packaging/container/Containerfile)
	@$(PACKAGING) packaging/container/root.sh $(ROOT)

test-packages: man completion ## build the packages and install them in a fresh Debian (as root, with a network)
	@test/deps.sh
	@test/deps.sh packages
	go test -count=1 -timeout 20m ./test/packages -install

clean: ## remove what was built
	rm -rf bin build
