// swift-tools-version: 6.0
import PackageDescription

// An application with the one dependency.
let package = Package(
    name: "Consumer",
    platforms: [.iOS(.v17), .macOS(.v14)],
    dependencies: [.package(name: "Tidelock", path: "..")],
    targets: [
        .target(name: "QuickStart", dependencies: ["Tidelock"]),
        .testTarget(name: "QuickStartTests", dependencies: ["QuickStart"]),
    ]
)
