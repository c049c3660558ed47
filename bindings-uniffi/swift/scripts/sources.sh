#!/bin/sh
# Puts what `cargo run --package tidelock-uniffi-sources` generated into the package.
set -eu
cd "$(dirname "$0")/.."
put() {
    mkdir -p "$2"
    for file in "${CARGO_TARGET_DIR:-../../target}"/swift/*."$1"; do
        # The same is left alone: what is newer is compiled again.
        cmp -s "$file" "$2/$(basename "$file")" || cp "$file" "$2/"
    done
}
put swift Sources/TidelockInternal
put h Sources/TidelockFFI
