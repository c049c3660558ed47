import Foundation
import Testing
@testable import Tidelock

private let damage: Set<TidelockError.Kind> = [.corrupt, .hashMismatch, .notFound]

/// An empty vault, closed, which all cases share.
private actor EmptyVault {
    static let shared = EmptyVault()
    private var made: Task<Options, any Error>?

    func options() async throws -> Options {
        let task = made ?? Task {
            let options = Server.embedded.options("empty")
            try await Vault.create(options).vault.close()
            return options
        }
        made = task
        return try await task.value
    }
}

/// The shared vectors (`tests/vectors`) that are about what a caller sees: addresses, codes, JSON, archives, buckets; those of
/// the format's parts are the engine's own.
@Suite(.timeLimit(.minutes(2)))
struct VectorsTests {
    @Test(arguments: cases("addresses"))
    private func addresses(_ vector: Vector) async throws {
        // No vault is there: a good address gets as far as to look for one.
        await vector.fails(else: .notFound) { try await Vault.open(Options(store: vector.text("text"), local: folder())) }
    }

    @Test(arguments: cases("codes", check: "read-code"))
    private func codes(_ vector: Vector) async throws {
        // No vault is there: a good code gets as far as to look for one.
        let options = Server.embedded.options("codes")
        await vector.fails(else: .notFound) { try await Vault.join(options, with: .recovery(vector.text("text"))) }
    }

    /// As the `json` codec writes it, and as a field of a document; beside "64 deep", which is one deeper there.
    @Test
    func json() async throws {
        let vault = try await Vault.open(EmptyVault.shared.options())
        let documents = vault.documents("vectors", codec: .bytes)
        for vector in cases("json", check: "json-form") {
            let text = bytes(vector.text("text"))
            let document = Data(#"{"v":"#.utf8) + text + Data("}".utf8)
            if vector.refused != nil {
                await vector.fails { try canonical(text) }
                await vector.fails { try await documents.put(document, at: "1") }
                continue
            }
            let form = bytes(try #require(vector.value?.string))
            #expect(try canonical(text) == form, "\(vector.name)")
            if vector.name == "64 deep" { continue }
            try await documents.put(document, at: "1")
            #expect(try await documents.get("1") == Data(#"{"v":"#.utf8) + form + Data("}".utf8), "\(vector.name)")
            try await documents.delete("1")
        }
        await vault.close()
    }

    @Test(arguments: cases("archives"))
    private func archives(_ vector: Vector) async throws {
        let archive = folder().appendingPathComponent("archive")
        try Data(vector.text("text").utf8).write(to: archive)
        let empty = try await EmptyVault.shared.options()
        let copy = folder().appendingPathComponent("copy")
        try FileManager.default.copyItem(at: empty.local, to: copy)
        let vault = try await Vault.open(Options(store: empty.store, local: copy))
        if vector.refused != nil {
            await vector.fails { try await vault.importArchive(from: archive) }
        } else {
            let report = try await vault.importArchive(from: archive)
            let value = try #require(vector.value?.object)
            #expect(try await maps(vault) { $0[0] } == value["maps"])
            #expect(try await logs(vault) == value["logs"])
            for (name, count) in [("added", report.added), ("siblings", report.siblings), ("unchanged", report.unchanged)] {
                if let expected = value[name] { #expect(expected == .number(Double(count)), "\(name)") }
            }
        }
        await vault.close()
    }

    /// Each stage in the folder that the server shows as a bucket; the device reads everything after each.
    @Test(arguments: cases("buckets"))
    private func buckets(_ vector: Vector) async throws {
        let store = "vector-\(UUID().uuidString)"
        let stages = try #require(vector.given["stages"]?.array)
        try show(stages[0], store)
        func joined() async throws -> Vault {
            try await Vault.join(Server.embedded.options(store), with: .recovery(vector.text("recovery_code")))
        }
        if vector.refused != nil {
            return await vector.fails {
                let vault = try await joined()
                try await vault.check()
            }
        }
        let bad = Set((vector.given["bad"]?.array ?? []).map(\.string))
        let vault = try await joined()
        for (at, stage) in stages.enumerated() {
            try show(stage, store)
            let named = try await vault.check().reports.filter { damage.contains($0.kind) }.map(\.object)
            #expect(bad.isSuperset(of: named), "\(named)")
            let values = try #require(vector.value?.array)
            let value = try #require(values[at].object)
            #expect(try await maps(vault) { .array($0) } == value["maps"])
            #expect(try await logs(vault) == value["logs"])
        }
        await vault.close()
    }

    private func show(_ objects: JSONValue, _ store: String) throws {
        for (key, content) in try #require(objects.object) {
            let file = Server.embeddedBucket.appendingPathComponent(Server.prefix(store)).appendingPathComponent(key)
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            let text = try #require(content.string)
            try #require(Data(base64Encoded: text)).write(to: file)
        }
    }

    private func names(_ vault: Vault, _ kind: CollectionKind) async throws -> [String] {
        try await vault.status().collections.filter { $0.kind == kind }.map(\.name)
    }

    /// What `form` makes of all values of each key that has one, the winner first.
    private func maps(_ vault: Vault, _ form: ([JSONValue]) -> JSONValue) async throws -> JSONValue {
        var maps: [String: JSONValue] = [:]
        for name in try await names(vault, .map) {
            let map = vault.collection(name, codec: .text)
            let conflicts = try await map.conflicts().all().map { ($0.key, $0.versions.compactMap(\.value)) }
            let versions = Dictionary(uniqueKeysWithValues: conflicts)
            let entries = try await map.list().all().map { entry in
                (entry.key, form((versions[entry.key] ?? [entry.value]).map(JSONValue.string)))
            }
            maps[name] = .object(Dictionary(uniqueKeysWithValues: entries))
        }
        return .object(maps)
    }

    private func logs(_ vault: Vault) async throws -> JSONValue {
        var logs: [String: JSONValue] = [:]
        for name in try await names(vault, .log) {
            let entries = try await vault.log(name, codec: .text).list().all().map { ($0.key, JSONValue.string($0.value)) }
            logs[name] = .object(Dictionary(uniqueKeysWithValues: entries))
        }
        return .object(logs)
    }
}

/// One case: passes if its check ends in the very value, or in a refusal of this kind.
struct Vector: Sendable, CustomTestStringConvertible {
    let name: String
    let check: String
    let given: [String: JSONValue]
    let refused: String?
    let value: JSONValue?

    var testDescription: String { name }

    func text(_ field: String) -> String { given[field]?.string ?? "" }

    /// The call fails as the case says; where it does not refuse, with the other kind.
    func fails(else kind: TidelockError.Kind = .internal, _ call: () async throws -> some Any) async {
        await expect(refused.flatMap(TidelockError.Kind.init(rawValue:)) ?? kind) { try await call() }
    }
}

private func cases(_ subject: String, check: String? = nil) -> [Vector] {
    let file = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../../../tests/vectors/\(subject).json")
    let vectors = try! JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: file.standardized))
    return vectors.object!["cases"]!.array!.map { vector in
        let vector = vector.object!
        return Vector(
            name: vector["name"]!.string!,
            check: vector["check"]!.string!,
            given: vector["given"]!.object!,
            refused: vector["refused"]?.string,
            value: vector["value"]
        )
    }.filter { check == nil || $0.check == check }
}

/// The bytes in lower-case hex.
private func bytes(_ hex: String) -> Data {
    let digits = Array(hex.utf8).map { UInt8(Character(UnicodeScalar($0)).hexDigitValue!) }
    return Data(stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] })
}

extension JSONValue {
    fileprivate var string: String? { if case .string(let string) = self { string } else { nil } }
    fileprivate var array: [JSONValue]? { if case .array(let array) = self { array } else { nil } }
    fileprivate var object: [String: JSONValue]? { if case .object(let object) = self { object } else { nil } }
}
