import Foundation
import Testing
import Tidelock

/// Several processes on one local store, and processes that are killed.
@Suite(.timeLimit(.minutes(5)))
struct ProcessTests {
    @Test("two processes on one store both write and sync")
    func two() async throws {
        let options = Server.embedded.options("processes")
        let (created, code) = try await Vault.create(options)
        await created.close()
        let writers = try ["left", "right"].map { try Program("write", options, $0, "40") }
        for writer in writers {
            let (lines, status) = await writer.toItsEnd()
            #expect(status == 0, "\(lines)")
            #expect(lines.count { $0.hasPrefix("durable ") } == 40)
        }
        let other = try await Vault.join(Server.embedded.options("processes"), with: .recovery(code.reveal()))
        try await other.sync()
        #expect(try await other.log("acknowledged", codec: .text).list().all().count == 80)
        await other.close()
    }

    @Test("a process killed fifty times loses nothing it acknowledged")
    func killed() async throws {
        let options = Server.embedded.options("killed")
        let (created, code) = try await Vault.create(options)
        await created.close()
        var acknowledged: [String] = []
        for round in 0..<50 {
            // It dies after its first entries, anywhere in a write or a sync.
            let writer = try Program("write", options, "round \(round)", "1000000")
            let (lines, status) = await writer.killed(after: 1 + round % 7)
            #expect(status == SIGKILL)
            #expect(lines.count > round % 7)
            acknowledged += lines.map { String($0.dropFirst("durable ".count)) }
        }
        let vault = try await Vault.open(options)
        let here = try await vault.log("acknowledged", codec: .text).list().all().map(\.value)
        #expect(Set(acknowledged).subtracting(here).isEmpty)
        try await vault.sync()
        await vault.close()
        let other = try await Vault.join(Server.embedded.options("killed"), with: .recovery(code.reveal()))
        try await other.sync()
        #expect(try await other.log("acknowledged", codec: .text).list().all().map(\.value) == here)
        await other.close()
    }

    @Test("five hundred times opened and closed leaves no file open and no thread behind")
    func cycles() async throws {
        let options = Server.embedded.options("cycles")
        try await Vault.create(options).vault.close()
        let (lines, status) = try await Program("cycle", options, "500").toItsEnd()
        #expect(status == 0)
        let left = try #require(lines.last?.split(whereSeparator: { !($0.isNumber || $0 == "-") }).compactMap { Int($0) })
        #expect(left.count == 2 && left.allSatisfy { $0 <= 8 }, "\(lines)")
    }
}

/// One of the package's `Processes`, as a process of its own. What it says is read on a thread that may be blocked.
private struct Program: Sendable {
    private let process = Process()
    private let output = Pipe()

    init(_ program: String, _ options: Options, _ words: String...) throws {
        let tests = URL(fileURLWithPath: CommandLine.arguments[0])
        process.executableURL = tests.deletingLastPathComponent().appendingPathComponent("Processes")
        process.arguments = [program, options.store, options.local.path] + words
        process.environment = [
            "AWS_ACCESS_KEY_ID": Server.embedded.accessKey, "AWS_SECRET_ACCESS_KEY": Server.embedded.secretKey,
        ]
        process.standardOutput = output
        try process.run()
    }

    func toItsEnd() async -> (lines: [String], status: Int32) { await killed(after: .max) }

    /// All that it said, and its status or the signal that ended it.
    func killed(after lines: Int) async -> (lines: [String], status: Int32) {
        await withCheckedContinuation { caller in
            Thread.detachNewThread {
                var bytes = Data()
                var isKilled = false
                while case let more = output.fileHandleForReading.availableData, !more.isEmpty {
                    bytes += more
                    if !isKilled, bytes.count(where: { $0 == 10 }) >= lines {
                        kill(process.processIdentifier, SIGKILL)
                        isKilled = true
                    }
                }
                process.waitUntilExit()
                // The last line may lack its end: nobody was told of it.
                let whole = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
                caller.resume(returning: (whole.dropLast().map(String.init), process.terminationStatus))
            }
        }
    }
}
