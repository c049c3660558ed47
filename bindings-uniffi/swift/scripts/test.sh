#!/bin/sh
# Builds the package and runs its tests, with every warning an error. `cargo xtask test swift` runs it after what it needs.
set -eu
sh "$(dirname "$0")/sources.sh"
cd "$(dirname "$0")/.."
library=$CARGO_TARGET_DIR/debug
# Debian's libswiftObservation lacks a symbol that nothing here gets to.
set -- -Xlinker "-L$library" -Xlinker -rpath -Xlinker "$library" -Xlinker --allow-shlib-undefined
export TIDELOCK_SWIFT_STRICT=1
swift test --scratch-path "$CARGO_TARGET_DIR/swift-package" "$@"
