import Foundation
internal import TidelockInternal

/// Those who are told the engine's events.
final class Listeners: Sendable {
    /// Called on the engine's queue; nil: the vault was closed. It must not block.
    typealias Listener = @Sendable (Output?) -> Void

    private struct State {
        var listeners: [Int: Listener] = [:]
        var added = 0
        var isClosed = false
    }

    private let state = Locked(State())

    /// Calls `listener` for each event until the result is called. One that comes after the closing is told of it at once.
    func add(_ listener: @escaping Listener) -> @Sendable () -> Void {
        let number = state.withLock { state -> Int? in
            if state.isClosed { return nil }
            state.added += 1
            state.listeners[state.added] = listener
            return state.added
        }
        guard let number else {
            listener(nil)
            return {}
        }
        return { [state] in state.withLock { _ = $0.listeners.removeValue(forKey: number) } }
    }

    func tell(_ output: Output) {
        for listener in state.withLock({ $0.listeners }).values { listener(output) }
    }

    func close() {
        let listeners = state.withLock { state in
            state.isClosed = true
            defer { state.listeners = [:] }
            return state.listeners
        }
        for listener in listeners.values { listener(nil) }
    }
}

extension Listeners {
    /// Events a slow reader may be behind before it loses the oldest.
    private static let eventsMax = 256

    /// What `pick` makes of each event from now on. It ends when the vault is closed.
    func stream<Element: Sendable>(_ pick: @escaping @Sendable (Output) -> Element?) -> AsyncStream<Element> {
        AsyncStream(bufferingPolicy: .bufferingNewest(Self.eventsMax)) { reader in
            let stop = add { output in
                guard let output else { return reader.finish() }
                if let element = pick(output) { reader.yield(element) }
            }
            reader.onTermination = { _ in stop() }
        }
    }

    /// What changes from now on in the collections that are wanted; changes that the reader is behind are joined, so that none
    /// is lost. With `atOnce` the first comes before any change.
    func changes(atOnce: Bool = false, where isWanted: @escaping @Sendable (CollectionID) -> Bool) -> AsyncStream<Changes> {
        let pending = Locked<Changes?>(atOnce ? Changes(keys: []) : nil)
        let signals = AsyncStream<Void>(bufferingPolicy: .bufferingNewest(1)) { reader in
            let stop = add { output in
                guard let output else { return reader.finish() }
                guard case .changed(let collection, let keys) = output, isWanted(CollectionID(collection)) else { return }
                pending.withLock { $0 = Changes(keys: keys.map(Set.init)).joined(to: $0) }
                reader.yield()
            }
            reader.onTermination = { _ in stop() }
            if atOnce { reader.yield() }
        }
        return AsyncStream {
            for await _ in signals {
                if let changes = pending.withLock({ pending in
                    defer { pending = nil }
                    return pending
                }) { return changes }
            }
            return nil
        }
    }
}

extension Loop {
    /// What `read` gives, now and again whenever the collection changes and it gives something else.
    nonisolated func live<Item: Equatable & Sendable, Element: Sendable>(
        _ id: CollectionID,
        read: @escaping @Sendable () async throws -> [Item],
        decoded: @escaping @Sendable (Item) throws -> Element
    ) -> AsyncThrowingStream<[Element], any Error> {
        // The first read comes after the subscription: no change falls between them.
        let changes = listeners.changes(atOnce: true) { $0 == id }
        let shown = Locked<[Item]?>(nil)
        return AsyncThrowingStream {
            for await _ in changes {
                let items = try await read()
                let isNew = shown.withLock { shown in
                    defer { shown = items }
                    return shown != items
                }
                if isNew { return try items.map(decoded) }
            }
            if shown.withLock({ $0 == nil }) { try await self.call { _, _ in } } // throws: it was closed before
            return nil
        }
    }
}

/// A value behind a lock.
final class Locked<Value>: @unchecked Sendable {
    // All of it is read and written with the lock held, which is why it is Sendable.
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) {
        self.value = value
    }

    func withLock<Result>(_ use: (inout Value) throws -> Result) rethrows -> Result {
        try lock.withLock { try use(&value) }
    }
}
