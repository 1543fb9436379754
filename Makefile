# The commands of the project. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Debian packages: what the build needs, and what the tests need besides.
RUN_PACKAGES := gcc libc6-dev bash
TEST_PACKAGES := $(RUN_PACKAGES) busybox-static chromium docker-registry faketime git mariadb-server-core \
	openssh-client openssh-server openssl podman postgresql procps python3 python3-venv runc util-linux

VENV := .venv
UI := web/ui

# A registry that hiccups is asked again.
export CARGO_NET_RETRY := 10
export PIP_RETRIES := 10
export NPM_CONFIG_FETCH_RETRIES := 5

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: run-packages ui ## Install what is missing, build everything, start Updraft on http://127.0.0.1:8080
	cargo run --locked -- standalone $(ARGS)

.PHONY: test
test: test-packages check test-rust test-browser ## Run every check and every test

.PHONY: check
check: ui ## Formatting, lints, licences, types
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(MAKE) deny
	cd $(UI) && npm run lint && npm test

.PHONY: deny
deny: target/tools/bin/cargo-deny ## Licences and sources of the dependencies
	target/tools/bin/cargo-deny --locked check bans licenses sources

.PHONY: test-rust
test-rust: ui venv ## The Rust tests: units, properties, stores, operators, API, the real binary
	# Tests mostly wait for servers and processes: two for each core.
	UPDRAFT_TEST_VENV=$(CURDIR)/$(VENV) RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((2 * $$(nproc)))} tests/rust.sh

.PHONY: test-browser
test-browser: ui ## The journeys of a user in a real Chromium against a real server
	# The binary as the Rust tests have built it: with other features half of it would be compiled again.
	cargo test --locked --workspace --no-run
	tests/browser.sh

.PHONY: test-kafka
test-kafka: venv target/tools/bin/tansu ## The emulation against a Kafka broker, which is built for it
	UPDRAFT_TEST_VENV=$(CURDIR)/$(VENV) UPDRAFT_TEST_TANSU=$(CURDIR)/target/tools/bin/tansu \
		cargo test --locked --workspace --test all -- kafka

.PHONY: test-spark
test-spark: spark-packages .venv-spark/installed .venv-sail/installed ## Spark's answers beside Updraft's, of random dirty rows: make test-spark SEED=7
	cargo build --locked
	.venv-spark/bin/python tests/spark/run.py $(if $(SEED),--seed $(SEED)) $(ARGS)
	.venv-sail/bin/python tests/spark/delta.py $(if $(SEED),--seed $(SEED))

.PHONY: chaos
chaos: test-packages ui ## Kill, suspend and restart schedulers, workers and Postgres at random: make chaos SECONDS=600
	UPDRAFT_CHAOS_SECONDS=$(or $(SECONDS),600) \
		cargo test --locked --workspace --test all -- --nocapture chaos

.PHONY: screenshot
screenshot: ui ## Take the picture of the README anew
	cargo build --locked
	tests/browser.sh screenshot

.PHONY: regen
regen: ui ## Write the generated files anew: OpenAPI document, client, JSON Schema, tables of arguments, snapshots
	UPDATE_OPENAPI=1 cargo test --locked -p web
	cd $(UI) && npm run generate
	cargo run --locked -- schema > dag.schema.json
	UPDRAFT_REGENERATE=1 cargo test --locked --workspace --test all -- operator_pages

# What is measured: PROFILE=dev is the build of `make run`. POSTGRES=URL takes a server of yours, ONLY=chain,fan_out less.
PROFILE := release
BENCH_BINARY = target/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/updraft
BENCH_ARGS = --binary $(BENCH_BINARY) $(if $(POSTGRES),--postgres '$(POSTGRES)')

.PHONY: bench
bench: bench-packages ui ## Measure: hops of a chain, fan-outs, processes, midnight, many files, a long history
	cargo build --locked --profile $(PROFILE)
	benches/run.py $(BENCH_ARGS) $(if $(ONLY),--only $(ONLY)) $(if $(DATA),--data $(DATA))

.PHONY: bench-data
bench-data: bench-packages venv ## Clean three tables of a million rows and answer the eight questions, beside DuckDB, Polars and Spark
	cargo build --locked --profile $(PROFILE)
	$(VENV)/bin/python benches/data/run.py --binary $(BENCH_BINARY) $(if $(ROWS),--rows $(ROWS)) $(if $(PEERS),--peers $(PEERS)) $(if $(JOBS),--jobs $(JOBS)) $(if $(DATA),--data $(DATA))

.PHONY: bench-emulation
bench-emulation: bench-packages ## Post rows to a Kafka REST server and to S3, beside an asyncio client and what the server takes
	@./packages.sh nginx-light wrk
	cargo build --locked --profile $(PROFILE)
	benches/emulation/run.py --binary $(BENCH_BINARY) $(if $(ROWS),--rows $(ROWS)) $(if $(ONLY),--only $(ONLY))

.PHONY: compare
compare: bench-packages ui ## Run the same DAGs on Updraft, DBOS, Airflow 3 and Prefect 3
	cargo build --locked --profile $(PROFILE)
	benches/compare/run.py $(BENCH_ARGS)

.PHONY: ui
ui: $(UI)/dist/index.html ## Build the web UI

$(UI)/dist/index.html: $(UI)/node_modules/.package-lock.json $(UI)/index.html $(UI)/vite.config.ts $(shell find $(UI)/src $(UI)/public -type f 2>/dev/null)
	cd $(UI) && npm run build
	touch $@

$(UI)/node_modules/.package-lock.json: $(UI)/package.json $(UI)/package-lock.json
	cd $(UI) && npm ci --no-audit --no-fund
	touch $@

.PHONY: venv
venv: $(VENV)/.installed ## What the tests take from Python's packages: moto, OpenBao, deltalake, Airflow's client

$(VENV)/.installed: tests/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

target/tools/bin/tansu:
	cargo install --locked --root target/tools --no-default-features --features dynostore --version 0.6.0 tansu

target/tools/bin/cargo-deny:
	cargo install --locked --debug --root target/tools --version 0.20.2 cargo-deny

# Spark has a place of its own: it is large, and needs a Java.
.venv-spark/installed: tests/spark/requirements.txt
	python3 -m venv .venv-spark
	.venv-spark/bin/pip install --quiet --requirement tests/spark/requirements.txt
	touch $@

# pyspark's client alone: it and all of pyspark go by the same name.
.venv-sail/installed: tests/spark/delta-requirements.txt
	python3 -m venv .venv-sail
	.venv-sail/bin/pip install --quiet --requirement tests/spark/delta-requirements.txt
	touch $@

.PHONY: run-packages test-packages bench-packages spark-packages
spark-packages:
	@command -v java >/dev/null || ./packages.sh default-jre-headless
run-packages:
	@./packages.sh $(RUN_PACKAGES)
test-packages:
	@./packages.sh $(TEST_PACKAGES)
bench-packages:
	@./packages.sh $(TEST_PACKAGES)
