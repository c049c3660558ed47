//! Every test suite there is. To add one, add a row.

use crate::tools::{Need, PYTHON, Source, Tool};

/// A suite: what it proves, what it needs on the machine, and the commands that must all succeed.
pub(crate) struct Suite {
    /// The name on the command line.
    pub(crate) name: &'static str,
    /// What a green run proves.
    pub(crate) proves: &'static str,
    /// What must be there first.
    pub(crate) needs: &'static [Need],
    /// The commands, in order.
    pub(crate) steps: &'static [Step],
    /// Whether it runs only by its name and with `--all`: it takes longer than a change should wait.
    pub(crate) is_slow: bool,
}

/// One command of a suite, its words apart by spaces, run in the workspace's folder.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// The command line.
    pub(crate) command: &'static str,
    /// Variables it gets besides the ones of this process.
    pub(crate) env: &'static [(&'static str, &'static str)],
    /// Real servers that run while it runs.
    pub(crate) servers: &'static [&'static str],
}

const fn step(command: &'static str) -> Step {
    Step { command, env: &[], servers: &[] }
}

const C_COMPILER: Need = Need::Program { name: "cc", debian: Some("gcc") };
const CARGO_DENY: Need = Need::Tool(Tool { name: "cargo-deny", version: "0.20.2", source: Source::Crates });
const WASM: Need = Need::RustTarget("wasm32-unknown-unknown");
const ANDROID: Need = Need::RustTarget("aarch64-linux-android");
const IOS: Need = Need::RustTarget("aarch64-apple-ios");
/// The keyring's tests have a bus and a daemon of their own.
const DBUS: Need = Need::Program { name: "dbus-run-session", debian: Some("dbus") };
const GNOME_KEYRING: Need = Need::Program { name: "gnome-keyring-daemon", debian: Some("gnome-keyring") };
/// The hooks of examples/shell-history run in it.
const ZSH: Need = Need::Program { name: "zsh", debian: Some("zsh") };
/// Node 20 or newer, which Debian 12 does not have.
const NODE: Need = Need::Program { name: "node", debian: None };
const NPM: Need = Need::Program { name: "npm", debian: None };
const CHROMIUM: Need = Need::Program { name: "chromium", debian: Some("chromium") };
const JAVA: Need = Need::Program { name: "java", debian: Some("openjdk-17-jdk-headless") };
const MAVEN: Need = Need::Program { name: "mvn", debian: Some("maven") };
/// Swift 6.0.3, with what Foundation's requests need.
const SWIFT: Need = Need::Tool(Tool {
    name: "swift",
    version: "trixie",
    source: Source::DebianRoot {
        packages: &[
            "swiftlang",
            "libc6-dev",
            "libstdc++-14-dev",
            "gcc",
            "git",
            "libcurl4t64",
            "libxml2",
            "ca-certificates",
            "tzdata",
        ],
        programs: &["docc", "swift-symbolgraph-extract"],
    },
});

/// All suites, in the order they run: the quick ones first.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "lint",
        proves: "the code is formatted, free of warnings from the compiler, clippy and rustdoc, and the fuzzers compile",
        needs: &[C_COMPILER],
        steps: &[
            step("cargo fmt --all --check"),
            // Generators of sources take minutes to check, for twenty lines that use them.
            step(
                "cargo clippy --workspace --exclude tidelock-uniffi-sources --exclude tidelock-wasm-package --all-targets \
                 -- -D warnings",
            ),
            Step {
                env: &[("RUSTDOCFLAGS", "-D warnings")],
                ..step(
                    "cargo doc --workspace --exclude tidelock-uniffi-sources --exclude tidelock-wasm-package --no-deps",
                )
            },
            // A workspace of its own, run by hand: what it uses of this one changes.
            Step {
                env: &[("RUSTFLAGS", "--cfg fuzzing")],
                ..step("cargo check --manifest-path tests/fuzz/Cargo.toml --bins")
            },
        ],
        is_slow: false,
    },
    Suite {
        name: "deny",
        proves: "every dependency has an allowed licence and comes from the registry",
        needs: &[CARGO_DENY],
        steps: &[step("cargo deny check licenses bans sources")],
        is_slow: false,
    },
    Suite {
        name: "targets",
        proves: "the core compiles for browsers and phones, what Kotlin and Swift call for iPhones",
        needs: &[WASM, ANDROID, IOS],
        steps: &[
            step("cargo check --package tidelock-core --features pure --target wasm32-unknown-unknown"),
            step("cargo check --package tidelock-core --features pure --target aarch64-linux-android"),
            step("cargo check --package tidelock-core --features pure --target aarch64-apple-ios"),
            step("cargo check --package tidelock-uniffi --features tidelock-core/pure --target aarch64-apple-ios"),
        ],
        is_slow: false,
    },
    Suite {
        name: "unit",
        proves: "each package does what its own tests and its documentation's examples say",
        needs: &[C_COMPILER, DBUS, GNOME_KEYRING, ZSH],
        // A language's packages are tested from that language, in suites of their own.
        steps: &[
            step("cargo xtask packages --all-but tests/sim tests/conformance"),
            step("cargo test --no-fail-fast --doc"),
        ],
        is_slow: false,
    },
    Suite {
        name: "sim",
        proves: "devices stay in step under a seeded scheduler that delays, repeats, loses and spoils objects",
        needs: &[C_COMPILER, WASM, NODE],
        steps: &[
            step("cargo xtask packages tests/sim"),
            step("cargo xtask sim --seeds 2000 --twice 50"),
            step("cargo build --package tidelock-sim --example seeds --target wasm32-unknown-unknown"),
            step("node tests/sim/wasm/hashes.mjs 50"),
            step("cargo xtask sim --planted table"),
            step("cargo xtask sim --weakened"),
        ],
        is_slow: false,
    },
    Suite {
        name: "decoder",
        proves: "a second reader, in Python after docs/FORMAT.md, finds in a bucket what every device holds, and refuses alike",
        needs: &[C_COMPILER, PYTHON],
        steps: &[step("cargo test --no-run --test commands"), step("python3 tests/decoder/clean.py")],
        is_slow: false,
    },
    Suite {
        name: "kotlin",
        proves: "the Kotlin library works from its jar: devices converge, a cancelled sync lets go, a killed process loses nothing",
        needs: &[C_COMPILER, JAVA, MAVEN],
        steps: &[
            step("cargo test --no-run --test commands"), // which makes `tidelock`
            step("cargo build --package tidelock-uniffi"),
            step("cargo run --package tidelock-uniffi-sources"),
            Step {
                servers: &["versitygw", "minio"],
                ..step("mvn --quiet --batch-mode --file bindings-uniffi/kotlin/pom.xml deploy")
            },
            // Maven keeps a release that it has seen: the consumer takes the one that was just built.
            Step {
                servers: &["versitygw"],
                ..step(
                    "mvn --quiet --batch-mode --file bindings-uniffi/kotlin/consumer/pom.xml \
                     org.apache.maven.plugins:maven-dependency-plugin:3.8.1:purge-local-repository \
                     -DmanualInclude=io.github.tidelock:tidelock -DreResolve=false test",
                )
            },
        ],
        is_slow: false,
    },
    Suite {
        name: "swift",
        proves: "the Swift package does the same, in Swift 6 with complete concurrency checking and without a warning",
        needs: &[C_COMPILER, SWIFT],
        steps: &[
            step("cargo test --no-run --test commands"), // which makes `tidelock`
            step("cargo build --package tidelock-uniffi"),
            step("cargo run --package tidelock-uniffi-sources"),
            Step { servers: &["versitygw", "minio"], ..step("sh bindings-uniffi/swift/scripts/test.sh") },
            step("sh bindings-uniffi/swift/scripts/docs.sh"),
            Step { servers: &["versitygw"], ..step("sh bindings-uniffi/swift/scripts/test.sh consumer") },
        ],
        is_slow: true,
    },
    Suite {
        name: "npm",
        proves: "the npm package does what its README says: in Node and Chromium, on real S3 servers, packed and bundled, \
                 and in an app",
        needs: &[C_COMPILER, WASM, NODE, NPM, CHROMIUM],
        steps: &[
            step("cargo test --no-run --test commands"), // which makes `tidelock`
            step("cargo build --package tidelock-wasm --lib --target wasm32-unknown-unknown --profile wasm"),
            step("cargo run --package tidelock-wasm-package"),
            step("npm --prefix bindings-wasm ci --no-audit --no-fund"),
            step("npm --prefix bindings-wasm run build"),
            Step { servers: &["versitygw"], ..step("npm --prefix bindings-wasm test") },
            step("npm --prefix examples/notes-web ci --no-audit --no-fund"),
            step("npm --prefix examples/notes-web test"),
        ],
        is_slow: true,
    },
    Suite {
        name: "python",
        proves: "the pip package, built as a wheel and installed, does what it promises on the newest CPython of the machine",
        needs: &[C_COMPILER, PYTHON],
        steps: &[Step { servers: &["versitygw", "minio", "moto"], ..step("python3 bindings-python/tests/clean.py") }],
        is_slow: false,
    },
    Suite {
        name: "pythons",
        proves: "the pip package, made from its sdist, does the same on each CPython of the machine",
        needs: &[C_COMPILER, PYTHON],
        steps: &[Step { servers: &["minio"], ..step("python3 bindings-python/tests/clean.py --every") }],
        is_slow: true,
    },
    Suite {
        name: "conformance",
        proves: "devices stay in step through real S3 servers, and through what servers do otherwise",
        needs: &[C_COMPILER],
        steps: &[Step {
            servers: &["versitygw", "minio", "moto", "rclone"],
            // Most of a test is waiting, for deadlines and for what a server asks.
            env: &[("RUST_TEST_THREADS", "8")],
            ..step("cargo xtask packages tests/conformance")
        }],
        is_slow: false,
    },
    Suite {
        name: "seeds",
        proves: "devices stay in step in more schedules than a change should wait for",
        needs: &[C_COMPILER],
        steps: &[step("cargo xtask sim --seeds 10000 --twice 100")],
        is_slow: true,
    },
    Suite {
        name: "ceph",
        proves: "devices stay in step through a real Ceph Object Gateway, and its policies keep a signer's users apart",
        needs: &[C_COMPILER],
        steps: &[Step {
            servers: &["ceph"],
            env: &[("RUST_TEST_THREADS", "8")],
            ..step("cargo test --package tidelock-conformance --test suite --test presigned -- --ignored ceph")
        }],
        is_slow: true,
    },
];
