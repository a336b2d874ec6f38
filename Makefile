# Berth. `make help` lists the targets.

GO      ?= go
DATA    ?= data
LISTEN  ?= 127.0.0.1:9081
FUZZTIME ?= 60s
COUNT   ?= 6

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.PHONY: help build run test race lint fuzz soak bench bench-http bench-sandbox bench-interrupt bench-budget bench-peers bench-native examples native c assemblyscript rust guests conformance clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/berth
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/berth ./cmd/berth

run: build bin/toolbox.zip ## start a host with the Go example installed, and say how to call it
	@sh examples/run.sh bin/berth $(LISTEN) $(DATA) bin/toolbox.zip

test: ## the whole suite
	$(GO) test -timeout 10m ./...
	CGO_ENABLED=0 $(GO) test ./native/cabi
	cd examples/functions/go && $(GO) vet ./... && $(GO) test ./...
	cd examples/functions/command-go && $(GO) vet ./... && $(GO) test ./...

race: ## the whole suite with the race detector
	$(GO) test -race -timeout 20m ./...

lint: ## gofmt, vet, staticcheck, tidy modules (the rules of the house are a test)
	@files="$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go'))"; if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi
	$(GO) vet $$($(GO) list ./... | grep -v /sandbox/jail$$)
	$(GO) vet -stdmethods=false ./sandbox/jail # wazero's File has a Seek of its own
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
	$(GO) test -count=1 -run '^TestHouse' ./cmd/berth

fuzz: ## every fuzz target for FUZZTIME (60s)
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg; \
	  done; done

soak: ## ten minutes of hostile guests beside live traffic, the crash test for 1,000 rounds, the storm and the model for five minutes each
	BERTH_SOAK=10m $(GO) test -timeout 30m -count=1 -v -run '^TestSoak' ./sandbox
	BERTH_KILL_ROUNDS=1000 BERTH_STORM=5m $(GO) test -timeout 60m -count=1 -v -run 'Kill|Storm' ./host
	BERTH_MODEL=5m $(GO) test -race -timeout 30m -count=1 -v -run '^TestModel$$' ./server

bench: ## the benchmarks of dispatch, on one core and on two
	$(GO) test -run '^$$' -bench 'Plain|Invoke|Lookup' -cpu 1,2 -count $(COUNT) ./bench | tee bin/bench.txt
	$(GO) tool benchstat bin/bench.txt
	$(GO) test -run '^$$' -bench Start -benchtime 5x ./bench

bench-http: build ## HTTP against a bare fasthttp server, driven by wrk
	@command -v wrk >/dev/null || { echo "installing wrk"; apt-get install -y -qq wrk >/dev/null 2>&1; } || { echo "wrk is missing and could not be installed: install the package wrk and try again"; exit 1; }
	$(GO) build -o bin/bench-http ./bench/http
	bin/bench-http -berth bin/berth

bench-sandbox: ## what metering and isolation cost, each against its like in the same run
	$(GO) test -run '^$$' -bench . ./sandbox/meter
	$(GO) test -run '^$$' -bench Guests ./bench/guests
	$(GO) test -run '^$$' -bench Isolation ./bench
	$(GO) test -run '^$$' -bench Restore -benchtime 200ms ./sandbox/snapshot

bench-interrupt: ## deadlines of guests that run away, and the garbage collector beside guests
	$(GO) run ./bench/interrupt

bench-budget: ## 10,000 installed plugins and a budget for 200
	$(GO) test -run '^$$' -bench Budget -benchtime 1x -timeout 20m ./bench

bench-native: ## native plugins against the same code called plainly; C libraries with cgo and without
	$(GO) test -run '^$$' -bench Call -count $(COUNT) ./native/goplugin
	$(GO) test -run '^$$' -bench Echo -count $(COUNT) ./native/cabi
	CGO_ENABLED=0 $(GO) test -run '^$$' -bench Echo -count $(COUNT) ./native/cabi

bench-peers: ## the same Extism plugins in the Extism Go SDK and in Berth
	@mkdir -p bin
	cd bench/peers && $(GO) test ./... && $(GO) test -run '^$$' -bench . -count $(COUNT) . | tee ../../bin/peers.txt
	$(GO) tool benchstat -col /by bin/peers.txt

examples: bin/toolbox.zip bin/tiny.zip ## pack the Go and the C example (make rust: the Rust one)

bin/toolbox.zip: build $(wildcard examples/functions/go/*.go) examples/functions/go/toolbox.json
	cd examples/functions/go && GOOS=wasip1 GOARCH=wasm $(GO) build -buildmode=c-shared -trimpath -buildvcs=false -ldflags="-s -w" -o toolbox.wasm .
	bin/berth pack examples/functions/go -o $@

bin/tiny.zip: build examples/functions/c/tiny.wasm
	bin/berth pack examples/functions/c -o $@

native: bin/smooth.zip ## build and pack the native example (needs a C compiler)

bin/smooth.zip: build examples/functions/c-native/smooth.c examples/functions/c-native/smooth.json sdk/c/berth_plugin.h
	cd examples/functions/c-native && $(CC) -std=c99 -O2 -Wall -Wextra -pedantic -I ../../../sdk/c -shared -fPIC -o Smooth.so smooth.c -lm
	bin/berth pack examples/functions/c-native -o $@

CLANG_WASM = clang --target=wasm32 -std=c11 -Wall -Wextra -nostdlib -fno-builtin -Wl,--no-entry -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=4096

examples/functions/extism-c/letters.wasm: examples/functions/extism-c/letters.c examples/functions/extism-c/extism.h
	cd $(@D) && $(CLANG_WASM) -Oz -o letters.wasm letters.c

examples/functions/wapc-c/desk.wasm: examples/functions/wapc-c/desk.c examples/functions/wapc-c/wapc.h
	cd $(@D) && $(CLANG_WASM) -Oz -o desk.wasm desk.c

examples/functions/command-c/wordcount.wasm: examples/functions/command-c/wordcount.c # needs the packages wasi-libc and libclang-rt-dev-wasm32
	cd $(@D) && clang --target=wasm32-wasi -std=c11 -O2 -Wall -Wextra -Wl,--strip-all -o wordcount.wasm wordcount.c

sandbox/testdata/guests/probe.wasm: sandbox/testdata/guests/probe.c
	cd $(@D) && clang --target=wasm32-wasi -std=gnu11 -Oz -Wall -Wextra -Wl,--strip-all -Wl,-z,stack-size=16384 -o probe.wasm probe.c

sandbox/testdata/guests/agent.wasm: sandbox/testdata/guests/agent.c examples/functions/extism-c/extism.h
	cd $(@D) && clang --target=wasm32-wasi -mexec-model=reactor -std=gnu11 -Oz -Wall -Wextra -Wl,--strip-all -Wl,-z,stack-size=16384 -o agent.wasm agent.c

bench/guests/hash/hash.wasm: bench/guests/hash/hash.c
	cd $(@D) && $(CLANG_WASM) -O2 -o hash.wasm hash.c

c: examples/functions/extism-c/letters.wasm examples/functions/wapc-c/desk.wasm examples/functions/command-c/wordcount.wasm examples/functions/c/tiny.wasm bench/guests/hash/hash.wasm sandbox/testdata/guests/probe.wasm sandbox/testdata/guests/agent.wasm ## build the C plugins that changed (needs clang, lld and wasi-libc)

assemblyscript: ## build the AssemblyScript examples (needs npm)
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js"; exit 1; }
	for d in assemblyscript extism-assemblyscript; do (cd examples/functions/$$d && npm ci && npm run build) || exit 1; done

examples/functions/c/tiny.wasm: examples/functions/c/tiny.c
	@command -v clang >/dev/null && command -v wasm-ld >/dev/null || { echo "tiny.c is newer than tiny.wasm, and clang or wasm-ld is missing: install the packages clang and lld"; exit 1; }
	cd examples/functions/c && clang --target=wasm32 -std=c11 -Oz -Wall -Wextra -nostdlib -Wl,--no-entry -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=4096 -o tiny.wasm tiny.c

rust: build ## build and pack the Rust example (needs cargo and the target wasm32-unknown-unknown)
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust"; exit 1; }
	cd examples/functions/rust && cargo test --locked --offline && cargo build --release --locked --offline --target wasm32-unknown-unknown && cp target/wasm32-unknown-unknown/release/textkit.wasm .
	bin/berth pack examples/functions/rust -o bin/textkit.zip

guests: ## assemble the sandbox's test guests anew (needs wat2wasm, of the package wabt)
	@command -v wat2wasm >/dev/null || { echo "wat2wasm is missing: install the package wabt"; exit 1; }
	cd sandbox/testdata/guests && for f in *.wat; do check=; [ "$$f" = invalid.wat ] && check=--no-check; wat2wasm $$check "$$f" -o "$${f%.wat}.wasm" || exit 1; done && \
	  printf '\0asm\r\0\1\0' > component.wasm && head -c 100 echo.wasm > truncated.wasm
	for d in sandbox/extism/testdata sandbox/snapshot/testdata sandbox/meter/testdata sandbox/testdata/hostile bench/testdata bench/interrupt; do \
	  for f in $$d/*.wat; do wat2wasm --enable-all "$$f" -o "$${f%.wat}.wasm" || exit 1; done; done

conformance: build ## replay eKuiper's recorded answers against a fresh host (needs ../shared)
	$(GO) test -count=1 -v -run '^TestConformance' ./cmd/berth

clean: ## remove what was built; the data folder stays
	rm -rf bin examples/functions/c-native/Smooth.so examples/functions/go/toolbox.wasm examples/functions/rust/textkit.wasm examples/functions/rust/target \
	  examples/functions/extism-go/vowels.wasm examples/functions/command-go/tally.wasm examples/functions/extism-rust/prose.wasm \
	  examples/functions/extism-rust/target examples/functions/assemblyscript/node_modules examples/functions/extism-assemblyscript/node_modules
