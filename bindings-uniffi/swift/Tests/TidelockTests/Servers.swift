import Foundation
import Testing
@testable import Tidelock

/// A real S3 server with an empty bucket `tidelock`; every store is a prefix of its own.
struct Server: Sendable, CustomTestStringConvertible {
    let name: String
    let endpoint: String
    let accessKey: String
    let secretKey: String

    var testDescription: String { name }
    var keys: CredentialSource { .fixed(accessKey: accessKey, secretKey: secretKey) }

    /// Servers may outlive one run of the tests.
    private static let run = UUID().uuidString.lowercased()

    /// Where a store's objects are in the bucket.
    static func prefix(_ store: String) -> String { "\(run)/\(store)" }

    func uri(_ store: String) -> String {
        "s3://tidelock/\(Self.prefix(store))?endpoint=\(endpoint)&region=us-east-1&path_style=true"
    }

    func options(_ store: String, local: URL = folder()) -> Options {
        var options = Options(store: uri(store), local: local)
        options.credentials = keys
        return options
    }

    /// The servers of `cargo xtask servers`, and the command's own.
    static let all: [Server] = ["versitygw", "minio"].map { name in
        Server(
            name: name,
            endpoint: variable("TIDELOCK_TEST_\(name.uppercased())"),
            accessKey: variable("AWS_ACCESS_KEY_ID"),
            secretKey: variable("AWS_SECRET_ACCESS_KEY")
        )
    } + [embedded]

    /// The folder that `embedded` shows as its bucket.
    static let embeddedBucket: URL = {
        let bucket = folder().appendingPathComponent("tidelock")
        try! FileManager.default.createDirectory(at: bucket, withIntermediateDirectories: true)
        return bucket
    }()

    /// `tidelock serve`, which a shell ends when this process does, in whatever way.
    static let embedded: Server = {
        let (accessKey, secretKey) = ("tidelock", "for-loopback-alone")
        let program = variable("CARGO_TARGET_DIR") + "/debug/tidelock"
        let serve = Process()
        serve.executableURL = URL(fileURLWithPath: "/bin/sh")
        serve.arguments = [
            "-c", "\"$@\" & read -r nothing; kill -KILL $!", // what Foundation starts has the others blocked
            "sh", program, "serve", embeddedBucket.deletingLastPathComponent().path, "--port", "0",
        ]
        serve.environment = ["AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey]
        let output = Pipe()
        serve.standardInput = Pipe()
        serve.standardOutput = output
        serve.standardError = FileHandle.nullDevice
        try! serve.run()
        kept.withLock { $0.append(serve) }
        let endpoint = line(of: output.fileHandleForReading).dropFirst("endpoint=".count)
        return Server(name: "tidelock serve", endpoint: String(endpoint), accessKey: accessKey, secretKey: secretKey)
    }()

    /// Processes whose input stays open.
    private static let kept = Locked<[Process]>([])
}

/// The first line of what a process says.
private func line(of output: FileHandle) -> String {
    var bytes = Data()
    while let byte = try? output.read(upToCount: 1), !byte.isEmpty, byte != Data("\n".utf8) { bytes += byte }
    return String(decoding: bytes, as: UTF8.self)
}

func variable(_ name: String) -> String {
    guard let value = ProcessInfo.processInfo.environment[name] else {
        fatalError("\(name) is not set: run `cargo xtask test swift`")
    }
    return value
}

func folder() -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tidelock-\(UUID().uuidString)")
    try! FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    return folder
}

extension AsyncSequence {
    func all() async throws -> [Element] {
        var elements: [Element] = []
        for try await element in self { elements.append(element) }
        return elements
    }

    func first() async throws -> Element? {
        for try await element in self { return element }
        return nil
    }
}

/// That the call throws an error of this kind.
@discardableResult
func expect(
    _ kind: TidelockError.Kind,
    _ sourceLocation: SourceLocation = #_sourceLocation,
    _ call: () async throws -> some Any
) async -> TidelockError? {
    do {
        _ = try await call()
        Issue.record("it did not fail", sourceLocation: sourceLocation)
    } catch let error as TidelockError {
        #expect(error.kind == kind, "\(error)", sourceLocation: sourceLocation)
        return error
    } catch {
        Issue.record(error, sourceLocation: sourceLocation)
    }
    return nil
}
