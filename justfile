# What one does with this repository, by name. `just` lists it.

default:
    @just --list

# Types, lints and format.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --release -- -D warnings

# Every test, or those whose names hold a word.
test *words:
    cargo test --workspace --release {{ words }}

# Computes the golden numbers anew with transformers + PEFT, and the tables of their README.
golden: build
    python tests/golden/make.py
    python tests/golden/table.py target/release/prefix-workbench

# Writes pictures of screens that changed, to be looked at.
pictures:
    UPDATE_SNAPSHOTS=1 cargo test -p tests --release --test window

# What training and decoding cost here.
bench: build
    target/release/prefix-workbench --device cpu bench --steps 8 --rounds 3

# The examples of the engine as a library.
examples:
    cargo run --release -p engine --example train_prefix target/first-run
    cargo run --release -p engine --example compare_base_and_tuned target/first-run
    cargo run --release -p engine --example nearest_tokens target/first-run
    cargo run --release -p engine --example attention_on_a_prefix target/first-run

# Licenses, advisories and sources of every dependency.
deny:
    cargo deny --all-features check

# Everything that must hold before a change lands.
ci:
    .ci/run

build:
    cargo build --workspace --release
