# What developers run. `just --list` shows it; each line also works without just.

# The checks that need no test run: format, lints, documentation.
check:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

# The tests, as the README gives them.
test *ARGS:
    cargo test --workspace {{ARGS}}

# Simulated nights of these seeds, on all processors.
sim FROM="0" TO="100000":
    cargo run --release -p orchestrate-simulation --example seeds -- {{FROM}} {{TO}}

# Feeds each reader of what servers say for so many seconds. What is answered as no text before is added to the corpus.
fuzz SECONDS="60":
    ORCHESTRATE_FUZZ_SECONDS={{SECONDS}} ORCHESTRATE_FUZZ_KEEP=1 cargo test -p orchestrate-wsman -p orchestrate-driver-winrm --lib takes_anything -- --nocapture --test-threads 1

# The timeline of one simulated night.
night SEED:
    cargo run -p orchestrate-simulation --example seeds -- -s {{SEED}}

# In which seed each missing rule is seen.
mutations:
    cargo run --release -p orchestrate-simulation --example mutations

# All benchmarks: docs/benchmarks.md.
bench:
    cargo bench -p orchestrate-planner -p orchestrate-journal -p orchestrate-simulation
    cargo bench -p orchestrate-wsman --bench logon
    cargo bench -p orchestrate-driver-winrm --bench many_hosts -- 5000 3

# The README's main job, on the lab.
lab PLAN="plans/contoso-front-end.yaml" *ARGS="--yes":
    cargo run --release -- {{PLAN}} --lab {{ARGS}}

# The API documentation, in a browser.
docs:
    cargo doc --workspace --no-deps --open

# Everything that has to hold before a change lands.
ci:
    bash .ci/run

# A whole run on three hosts that others wrote, in a domain, killed and resumed in between. Six minutes.
strangers:
    cargo test -p orchestrate-tests --test pool_of_strangers -- --ignored

# The build for Windows and its tests under Wine (packages are installed as root).
windows:
    bash .ci/windows

# The program for Windows as a person uses it, under Wine: whole runs, kills, consoles, hosts that others wrote. Half an hour.
windows-trials *NAMES:
    .ci/windows-trials {{NAMES}}

# A zip for Windows: the program, licences, completions of shells.
dist:
    .ci/dist
