# make test installs what the tests need and runs them; make check is all that must hold before a change lands.

GO ?= go
PACKAGES = ./...

.PHONY: build test check docs bench soak tools

build:
	$(GO) build -o starling ./cmd/starling

# The tests talk to a real sshd and to real shells.
tools:
	.ci/tools

test: tools
	$(GO) test -race -timeout 25m $(PACKAGES)

check:
	@# go.mod alone: go.sum also lists what the tests of dependencies need, and not everybody can have all of that.
	@! $(GO) mod tidy -e -diff | sed -n '/^diff current\/go\.mod/,$$p' | grep . || { echo "go mod tidy"; exit 1; }
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt -w these files"; exit 1; }
	$(GO) vet $(PACKAGES)
	$(GO) tool staticcheck $(PACKAGES)
	$(GO) run ./cmd/starling doc --markdown | diff docs/builtins.md - || { echo "make docs"; exit 1; }

docs:
	$(GO) run ./cmd/starling doc --markdown >docs/builtins.md.new && mv docs/builtins.md.new docs/builtins.md

bench:
	$(GO) test -run '^$$' -bench . -benchtime 3x -timeout 60m $(PACKAGES)

# Kills at forty instants, two hundred programs at once, and cuts after every byte of a start.
soak: tools
	STARLING_SOAK=1 $(GO) test -race -timeout 6h -v -run 'TestResumeAfterKills|TestManyProgramsOneJournal|TestStartExactlyOnceThroughCuts' ./cmd/starling ./internal/job
