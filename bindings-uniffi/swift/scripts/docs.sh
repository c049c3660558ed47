#!/bin/sh
# Makes the package's pages by DocC, with every warning an error, from the build of scripts/test.sh, into swift-docs in the
# target folder.
set -eu
cd "$(dirname "$0")/.."
symbols=$(mktemp -d)
trap 'rm -rf "$symbols"' EXIT
swift-symbolgraph-extract -module-name Tidelock -target "$(uname -m)-pc-linux-gnu" -minimum-access-level public \
    -skip-synthesized-members -I "$CARGO_TARGET_DIR/swift-package/debug/Modules" -I Sources/TidelockFFI -output-dir "$symbols"
docc convert Sources/Tidelock/Tidelock.docc --additional-symbol-graph-dir "$symbols" --analyze --warnings-as-errors \
    --fallback-display-name Tidelock --fallback-bundle-identifier io.github.tidelock --output-path "$CARGO_TARGET_DIR/swift-docs"
