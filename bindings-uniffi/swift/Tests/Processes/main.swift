import Foundation
import Tidelock

/// What a test runs as a process: `write STORE LOCAL NAME ENTRIES`, or `cycle STORE LOCAL TIMES`.
let words = CommandLine.arguments
var options = Options(store: words[2], local: URL(fileURLWithPath: words[3]))
options.credentials = .environment
switch words[1] {
case "write": try await write(options, name: words[4], entries: Int(words[5])!)
case "cycle": try await cycle(options, times: Int(words[4])!)
default: fatalError("no such program")
}

/// Appends entries and says which are durable, while it syncs.
func write(_ options: Options, name: String, entries: Int) async throws {
    let vault = try await Vault.open(options)
    let syncing = Task { while true { try await vault.sync() } }
    let log = vault.log("acknowledged", codec: .text)
    for number in 0..<entries {
        let entry = "\(name): \(number)"
        try await log.append(entry)
        try FileHandle.standardOutput.write(contentsOf: Data("durable \(entry)\n".utf8))
    }
    syncing.cancel()
    try await vault.sync()
    await vault.close()
}

/// Opens and closes a vault many times, and says what is left open.
func cycle(_ options: Options, times: Int) async throws {
    func count(_ what: String) throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/\(what)").count }
    func round(_ number: Int) async throws {
        let vault = try await Vault.open(options)
        if number % 10 == 0 { try await vault.collection("notes", codec: .text).put("\(number)", at: "round") }
        if number % 50 == 0 { try await vault.sync() }
        await vault.close()
    }
    for number in 0..<50 { try await round(number) }
    let (files, threads) = (try count("fd"), try count("task"))
    for number in 0..<times { try await round(number) }
    print("left: \(try count("fd") - files) files, \(try count("task") - threads) threads")
}
