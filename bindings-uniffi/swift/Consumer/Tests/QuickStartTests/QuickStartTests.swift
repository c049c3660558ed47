import Foundation
import QuickStart
import Testing

struct QuickStartTests {
    @Test("the first device writes and the second one reads")
    func quickStart() async throws {
        let server = try #require(ProcessInfo.processInfo.environment["TIDELOCK_TEST_VERSITYGW"])
        let folders = FileManager.default.temporaryDirectory.appendingPathComponent("consumer-\(UUID().uuidString)")
        let milk = try await QuickStart.quickStart(
            store: "s3://tidelock/\(folders.lastPathComponent)?endpoint=\(server)",
            phone: folders.appendingPathComponent("phone"),
            laptop: folders.appendingPathComponent("laptop")
        )
        #expect(milk == "two litres")
    }

    @Test("the READMEs show what is run")
    func readmes() throws {
        let consumer = URL(fileURLWithPath: #filePath).appendingPathComponent("../../..").standardized
        let program = try lines(consumer.appendingPathComponent("Sources/QuickStart/QuickStart.swift"))
        func part(_ name: String) -> [String] {
            Array(program.drop { $0 != "// \(name): begin" }.dropFirst().prefix { $0 != "// \(name): end" })
        }
        func shown(_ readme: String) throws -> [String] {
            let lines = try lines(consumer.appendingPathComponent(readme).standardized)
            return Array(lines.drop { $0 != "```swift" }.dropFirst().prefix { $0 != "```" })
        }
        #expect(try shown("../../../README.md") == part("README"))
        #expect(try shown("../README.md") == part("Tour"))
    }

    private func lines(_ file: URL) throws -> [String] {
        try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.trimmingCharacters(in: .whitespaces) }
    }
}
