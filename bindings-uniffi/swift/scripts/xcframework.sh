#!/bin/sh
# Makes TidelockFFI.xcframework and puts the generated sources into the package. On a Mac with Xcode and rustup; nobody has run it.
set -eu
cd "$(dirname "$0")/../../.."
target=${CARGO_TARGET_DIR:-target}
export CARGO_TARGET_DIR="$target" IPHONEOS_DEPLOYMENT_TARGET=17.0 MACOSX_DEPLOYMENT_TARGET=14.0

# A static library for each system: the crate's own manifest asks for none, as no other language links one.
library() {
    rustup target add "$1"
    cargo rustc --release --package tidelock-uniffi --target "$1" --crate-type staticlib
}
for system in aarch64-apple-ios aarch64-apple-ios-sim x86_64-apple-ios aarch64-apple-darwin x86_64-apple-darwin; do
    library "$system"
done
joined() {
    mkdir -p "$target/xcframework/$1"
    lipo -create "$target/$2/release/libtidelock_uniffi.a" "$target/$3/release/libtidelock_uniffi.a" \
        -output "$target/xcframework/$1/libtidelock_uniffi.a"
}
joined ios-simulator aarch64-apple-ios-sim x86_64-apple-ios
joined macos aarch64-apple-darwin x86_64-apple-darwin

# The generator reads a shared library of this Mac.
cargo build --package tidelock-uniffi
cargo run --package tidelock-uniffi-sources
package=bindings-uniffi/swift
sh "$package/scripts/sources.sh"
headers=$target/xcframework/Headers
rm -rf "$headers" "$package/TidelockFFI.xcframework"
mkdir -p "$headers/TidelockFFI" # in a folder of its own: two frameworks with a module.modulemap beside each other clash
cp "$package"/Sources/TidelockFFI/*.h "$headers/TidelockFFI/"
grep -v 'link ' "$package/Sources/TidelockFFI/module.modulemap" >"$headers/TidelockFFI/module.modulemap"
xcodebuild -create-xcframework -output "$package/TidelockFFI.xcframework" \
    -library "$target/aarch64-apple-ios/release/libtidelock_uniffi.a" -headers "$headers" \
    -library "$target/xcframework/ios-simulator/libtidelock_uniffi.a" -headers "$headers" \
    -library "$target/xcframework/macos/libtidelock_uniffi.a" -headers "$headers"
