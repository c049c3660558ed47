#if canImport(Darwin) || TIDELOCK_OBSERVATION
import Observation
import Testing
import Tidelock

@Suite(.timeLimit(.minutes(1)))
@MainActor
struct LiveListTests {
    @Test("a view's list follows its collection, and lets go of it")
    func follows() async throws {
        let vault = try await Vault.create(Server.embedded.options("live list")).vault
        var list: LiveList? = LiveList(vault.notes.live())
        try await vault.notes.put("green", at: "tea")
        while list?.elements.map(\.value) != ["green"] { await changed(list) }
        try await vault.notes.put("oat", at: "milk")
        while list?.elements.map(\.key) != ["milk", "tea"] { await changed(list) }

        weak var gone = list
        list = nil
        #expect(gone == nil)
        await vault.close()
        let late = LiveList(vault.notes.live())
        while late.error == nil { await changed(late) }
        #expect((late.error as? TidelockError)?.kind == .closed)
    }

    /// Waits for a change of what it shows.
    private func changed(_ list: LiveList<Entry<String>>?) async {
        await withCheckedContinuation { caller in
            withObservationTracking {
                _ = (list?.elements, list?.error)
            } onChange: {
                caller.resume()
            }
        }
    }
}
#endif
