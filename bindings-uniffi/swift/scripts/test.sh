#!/bin/sh
# Runs the package's tests, with every warning an error; with `consumer` those of an application that has it as its one
# dependency. `cargo xtask test swift` runs both, after what they need.
set -eu
sh "$(dirname "$0")/sources.sh"
cd "$(dirname "$0")/.."
library=$CARGO_TARGET_DIR/debug
case ${1-} in
    consumer)
        shift
        set -- --package-path Consumer --scratch-path "$CARGO_TARGET_DIR/swift-consumer" "$@"
        ;;
    *)
        export TIDELOCK_SWIFT_STRICT=1
        # Debian's libswiftObservation lacks a symbol that nothing here gets to.
        set -- --scratch-path "$CARGO_TARGET_DIR/swift-package" -Xlinker --allow-shlib-undefined "$@"
        ;;
esac
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
swift test -Xlinker "-L$library" -Xlinker -rpath -Xlinker "$library" "$@"
