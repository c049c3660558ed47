import Foundation
import Testing
@testable import Tidelock

extension Vault {
    nonisolated var notes: Collection<String> { collection("notes", codec: .text) }
}

private func all(_ notes: Vault.Collection<String>) async throws -> [String: String] {
    Dictionary(uniqueKeysWithValues: try await notes.list().all().map { ($0.key, $0.value) })
}

/// Two devices of one vault, through real servers.
@Suite(.timeLimit(.minutes(2)))
struct SyncTests {
    @Test("devices converge after edits offline", arguments: Server.all)
    func converge(_ server: Server) async throws {
        let (a, code) = try await Vault.create(server.options("converge"), passphrase: "correct horse")
        try await a.notes.put("green", at: "tea")
        #expect(try await a.sync().opsPublished >= 1)

        let b = try await Vault.join(server.options("converge"), with: .recovery(code.reveal()))
        try await b.sync()
        #expect(try await b.notes.get("tea") == "green")

        // Both edit different keys without a network, one deletes.
        try await a.notes.put("oat", at: "milk")
        try await b.notes.put("black", at: "tea")
        try await b.notes.put("none", at: "sugar")
        try await b.notes.delete("sugar")
        try await a.sync()
        try await b.sync()
        try await a.sync()
        let both = ["milk": "oat", "tea": "black"]
        #expect(try await all(a.notes) == both)
        #expect(try await all(b.notes) == both)

        let c = try await Vault.join(server.options("converge"), with: .passphrase("correct horse"))
        try await c.sync()
        #expect(try await all(c.notes) == both)
        for vault in [a, b, c] { await vault.close() }
    }

    @Test("concurrent values are reported and resolved", arguments: Server.all)
    func conflict(_ server: Server) async throws {
        let (a, b) = try await pair(server, "conflict") { try await $0.notes.put("green", at: "tea") }
        try await a.notes.put("black", at: "tea")
        try await b.notes.put("white", at: "tea")
        try await a.sync()
        try await b.sync()
        try await a.sync()

        let here = try await a.notes.conflicts().all()
        #expect(try await b.notes.conflicts().all() == here)
        let versions = try #require(here.first).versions
        #expect(here.count == 1 && Set(versions.map(\.value)) == ["black", "white"])
        #expect(try await a.notes.get("tea") == versions[0].value)
        #expect(try await a.notes.entry("tea")?.siblings == 1)
        #expect(try await a.conflicts().all().map(\.key) == ["tea"])

        try await a.notes.resolve("tea", to: "both")
        try await a.sync()
        try await b.sync()
        #expect(try await b.conflicts().all().isEmpty)
        #expect(try await b.notes.get("tea") == "both")
        await expect(.notFound) { try await b.notes.resolve("tea", to: "again") }
        await a.close()
        await b.close()
    }

    @Test("logs, batches, typed values and ranges", arguments: Server.all)
    func typed(_ server: Server) async throws {
        struct Visit: Codable, Equatable { let patient: String, minutes: Int }
        let (a, code) = try await Vault.create(server.options("typed"))
        let visits = a.collection("visits", of: Visit.self)
        let history = a.log("history", codec: .text)
        let keys = try await a.write { batch in
            try batch.put(Visit(patient: "Ada", minutes: 15), in: visits, at: "1")
            try batch.put(Visit(patient: "Grace", minutes: 20), in: visits, at: "2")
            try batch.append("first", to: history)
        }
        let second = try await history.append("second")
        #expect(try await history.list().all().map(\.key) == [keys[2], second])
        try await a.sync()

        let b = try await Vault.join(server.options("typed"), with: .recovery(code.reveal()))
        try await b.sync()
        #expect(try await b.collection("visits", of: Visit.self).get("2") == Visit(patient: "Grace", minutes: 20))
        // RFC 8785: by name, not as they were declared.
        #expect(try await b.collection("visits", codec: .text).get("1") == #"{"minutes":15,"patient":"Ada"}"#)
        #expect(try await visits.list(KeyRange(start: "2")).all().map(\.key) == ["2"])
        #expect(try await visits.list(.prefix("1")).all().map(\.key) == ["1"])
        #expect(try await b.log("history", codec: .text).get(second) == "second")
        #expect(try await b.log("history", codec: .text).entry(second)?.device == a.status().device)
        try await b.log("history", codec: .text).delete(second)
        try await b.sync()
        try await a.sync()
        #expect(try await history.list().all().map(\.value) == ["first"])
        await a.close()
        await b.close()
    }

    @Test("devices, recipients, secrets and refusals", arguments: Server.all)
    func secrets(_ server: Server) async throws {
        func join(_ secret: Secret) async throws -> Vault { try await Vault.join(server.options("secrets"), with: secret) }
        let (a, first) = try await Vault.create(server.options("secrets"))
        await expect(.alreadyExists) { try await Vault.create(server.options("secrets")) }
        await expect(.notFound) { try await Vault.join(server.options("nothing"), with: .passphrase("correct horse")) }
        try await a.setPassphrase("correct horse")
        await expect(.wrongKey) { try await join(.passphrase("wrong")) }
        let b = try await join(.passphrase("correct horse"))
        try await b.notes.put("was here", at: "b")
        try await b.sync()
        let code = try await a.replaceRecoveryCode()
        await expect(.wrongKey) { try await join(.recovery(first.reveal())) }
        await expect(.invalid) { try await join(.recovery("TIDE-LOCK")) }
        try await join(.recovery(code.reveal())).close()
        #expect(Set(try await a.recipients().map(\.kind)) == [.recoveryCode, .passphrase])
        #expect(try await a.status().left.isEmpty)

        try await a.sync()
        let other = try #require(try await b.status().device)
        func state() async throws -> Device.State? { try await a.devices().first { $0.id == other }?.state }
        #expect(try await state() == .active)
        try await a.retire(other)
        #expect(try await state() == .retired)
        try await a.revoke(other)
        #expect(try await state() == .revoked)
        try await b.notes.put("was shut out", at: "b")
        await expect(.revoked) { try await b.sync() }
        #expect(try await b.status().revoked?.kind == .revoked)
        try await a.adopt(other)
        await a.close()
        await b.close()
    }

    @Test("what is opened again is as it was, and shows what changes", arguments: Server.all)
    func live(_ server: Server) async throws {
        let options = server.options("live")
        let (created, code) = try await Vault.create(options)
        try await created.notes.put("green", at: "tea")
        try await created.sync()
        await created.close()

        let a = try await Vault.open(options)
        let b = try await Vault.join(server.options("live"), with: .recovery(code.reveal()))
        try await b.sync()
        let (changes, live) = (a.notes.changes(), a.notes.live())
        try await b.notes.put("black", at: "tea")
        try await b.sync()
        let progress = Locked<[Vault.Progress]>([])
        let report = try await a.sync { step in progress.withLock { $0.append(step) } }
        #expect(report.opsApplied >= 1)
        #expect(progress.withLock { !$0.isEmpty })
        #expect(try await changes.first()?.keys == ["tea"])
        #expect(try await live.first { $0.map(\.value) == ["black"] } != nil)

        // A watching device publishes what is written here.
        async let published = a.watch().first { try $0.get().opsPublished > 0 }
        try await a.notes.put("oat", at: "milk")
        _ = try await published
        try await b.syncOnce(until: .now + .seconds(60))
        #expect(try await b.notes.get("milk") == "oat")
        #expect(try await b.notes.get("sugar") == nil)
        await a.close()
        await b.close()
    }

    @Test("a watching device publishes soon what is written after a sync, and lists what it published as a report")
    func watching() async throws {
        let vault = try await Vault.create(Server.embedded.options("watching")).vault
        var reports = vault.watch().makeAsyncIterator()
        _ = await reports.next()
        let writing = Task { try await vault.notes.put("green", at: "tea") }
        // By the pace alone it would be 30 s at least.
        let time = await ContinuousClock().measure { #expect((try? await reports.next()?.get().opsPublished) == 1) }
        #expect(time < .seconds(25))
        try await writing.value
        await vault.close()
        #expect(await reports.next() == nil)
    }

    @Test("lists longer than a page, and changes that a reader is behind")
    func many() async throws {
        let vault = try await Vault.create(Server.embedded.options("many")).vault
        let changes = vault.notes.changes()
        let keys = (0..<600).map { String(10_000 + $0) }
        for key in keys.prefix(3) { try await vault.notes.put("a value", at: key) }
        #expect(try await changes.first()?.keys == Set(keys.prefix(3)))
        try await vault.write { batch in
            for key in keys { try batch.put("another", in: vault.notes, at: key) }
        }
        #expect(try await changes.first()?.keys == nil)
        #expect(try await vault.notes.list().all().map(\.key) == keys)
        #expect(try await vault.notes.live().first()?.map(\.key) == keys)
        await expect(.invalid) {
            try await vault.write { batch in
                for number in 0..<5_001 { try batch.put("too many", in: vault.notes, at: "\(number)") }
            }
        }
        await expect(.invalid) { try await vault.exportArchive(to: URL(string: "https://bucket.example/archive")!) }
        await vault.close()
    }
}

/// Two devices of a new vault that hold the same.
func pair(_ server: Server, _ store: String, first: (Vault) async throws -> Void) async throws -> (Vault, Vault) {
    let (a, code) = try await Vault.create(server.options(store))
    try await first(a)
    try await a.sync()
    let b = try await Vault.join(server.options(store), with: .recovery(code.reveal()))
    try await b.sync()
    return (a, b)
}
