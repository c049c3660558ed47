import Testing
import Tidelock

private struct Visit: Codable, Equatable {
    let place: String
    var rating: Int?
    var note: String?
}

extension Vault {
    nonisolated fileprivate var visits: Documents<Visit> { documents("visits") }
}

/// Documents of two devices, through real servers.
@Suite(.timeLimit(.minutes(2)))
struct DocumentsTests {
    @Test("different fields merge, the same field is a conflict", arguments: Server.all)
    func merge(_ server: Server) async throws {
        let (a, b) = try await pair(server, "documents") { try await $0.visits.put(Visit(place: "Brest"), at: "1") }

        // Offline, each another field: no conflict.
        try await a.visits.patch("1", ["rating": 4])
        try await b.visits.patch("1", ["note": "rain"])
        let live = a.visits.live()
        try await a.sync()
        try await b.sync()
        try await a.sync()
        let merged = Visit(place: "Brest", rating: 4, note: "rain")
        #expect(try await a.visits.get("1") == merged)
        #expect(try await b.visits.get("1") == merged)
        #expect(try await live.first { $0.map(\.value) == [merged] } != nil)
        #expect(try await a.visits.conflicts().all().isEmpty)

        // Offline, the same field: both are kept until one is chosen.
        try await a.visits.patch("1", ["rating": 1])
        try await b.visits.patch("1", ["rating": 5])
        try await a.sync()
        try await b.sync()
        try await a.sync()
        let conflicts = try await a.visits.conflicts().all()
        #expect(try await b.visits.conflicts().all() == conflicts)
        #expect(conflicts.map(\.id) == ["1"] && conflicts.map(\.field) == ["rating"])
        let versions = try #require(conflicts.first).versions
        #expect(Set(versions.map(\.value)) == [1, 5])
        #expect(try await a.visits.get("1")?.rating.map { .number(Double($0)) } == versions[0].value)
        #expect(try await a.visits.document("1")?.conflicts == 1)
        #expect(try await a.conflicts().all().isEmpty)

        try await a.visits.resolve("1", field: "rating", to: 3)
        try await a.sync()
        try await b.sync()
        #expect(try await b.visits.get("1") == Visit(place: "Brest", rating: 3, note: "rain"))
        #expect(try await b.visits.conflicts().all().isEmpty)
        await expect(.notFound) { try await b.visits.resolve("1", field: "rating", to: 4) }
        await a.close()
        await b.close()
    }

    @Test("writes, ranges and what is refused", arguments: Server.all)
    func writes(_ server: Server) async throws {
        let vault = try await Vault.create(server.options("document writes")).vault
        let (visits, text) = (vault.visits, vault.documents("visits", codec: .text))
        try await vault.write { batch in
            try batch.put(Visit(place: "Brest", rating: 4), in: visits, at: "1")
            try batch.put(Visit(place: "Quimper"), in: visits, at: "2")
            try batch.patch("3", in: visits, ["place": "Vannes"])
        }
        #expect(try await visits.list().all().map(\.id) == ["1", "2", "3"])
        // A null removes a field; a put removes what it lacks.
        try await visits.patch("1", ["rating": .null])
        #expect(try await visits.get("1") == Visit(place: "Brest"))
        #expect(try await text.get("1") == #"{"place":"Brest"}"#)
        try await visits.delete("2")
        try await vault.write { $0.delete("3", in: visits) }
        #expect(try await visits.get("2") == nil)

        for noObject in ["", "7", "[1]", "{", #"{"a":1,"a":2}"#] {
            await expect(.invalid) { try await text.put(noObject, at: "4") }
        }
        await expect(.invalid) { try await text.put("{}", at: "") }
        #expect(try await visits.list().all().map(\.id) == ["1"])
        await vault.close()
    }
}
