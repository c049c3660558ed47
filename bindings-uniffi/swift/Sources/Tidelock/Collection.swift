import Foundation
internal import TidelockInternal

extension Vault {
    /// A map of a vault: keys with values.
    ///
    /// It is within `Vault` because a type of this name on its own would hide Swift's protocol.
    public struct Collection<Value: Sendable>: Sendable {
        let records: Records<Value>

        public var name: String { records.id.name }

        /// The value at `key`; nil: there is none.
        public func get(_ key: String) async throws -> Value? { try await records.get(key)?.value }

        /// The value at `key` with who wrote it and when.
        public func entry(_ key: String) async throws -> Entry<Value>? { try await records.get(key) }

        /// Sets the value at `key`: 1 to 512 bytes. Durable on return.
        public func put(_ value: Value, at key: String) async throws {
            try await records.loop.write([records.put(value, at: key)])
        }

        /// Removes what this device has seen at `key`. A key that is not there is no error.
        public func delete(_ key: String) async throws {
            try await records.loop.write([records.delete(key)])
        }

        /// The entries of a range by ascending key, read in pages.
        public func list(_ range: KeyRange = .all) -> Listing<Entry<Value>> { records.list(range) }

        /// The entries of a range, now and again whenever they change. A slow reader gets the newest. It ends when the vault
        /// is closed.
        public func live(_ range: KeyRange = .all) -> AsyncThrowingStream<[Entry<Value>], any Error> { records.live(range) }

        /// The keys that change from now on. A slow reader gets them together. It ends when the vault is closed.
        public func changes() -> AsyncStream<Changes> { records.changes() }

        /// The keys with concurrent values.
        public func conflicts() -> Listing<Conflict<Value>> {
            records.loop.conflicts { [records] conflict in
                guard CollectionID(conflict.collection) == records.id else { return nil }
                let versions = try conflict.versions.map { try Version($0, decode: records.codec.decode) }
                return Conflict(collection: records.id.name, key: conflict.key, versions: versions)
            }
        }

        /// Ends a conflict with a value, or with nil for none. Throws `notFound` where there is no conflict.
        public func resolve(_ key: String, to value: Value?) async throws {
            try await records.loop.write([records.resolve(key, to: value)])
        }
    }

    /// A log of a vault: entries that are added and removed, never changed.
    public struct Log<Value: Sendable>: Sendable {
        let records: Records<Value>

        public var name: String { records.id.name }

        /// Adds an entry; gives its key, which sorts by time. Durable on return.
        @discardableResult
        public func append(_ value: Value) async throws -> String {
            try await records.loop.write([records.append(value)])[0]
        }

        /// The value of the entry at `key`; nil: there is none.
        public func get(_ key: String) async throws -> Value? { try await records.get(key)?.value }

        /// The entry at `key` with who added it and when.
        public func entry(_ key: String) async throws -> Entry<Value>? { try await records.get(key) }

        /// Removes an entry for ever.
        public func delete(_ key: String) async throws {
            try await records.loop.write([records.delete(key)])
        }

        /// The entries of a range, the oldest first, read in pages.
        public func list(_ range: KeyRange = .all) -> Listing<Entry<Value>> { records.list(range) }

        /// The entries of a range, now and again whenever they change. A slow reader gets the newest. It ends when the vault
        /// is closed.
        public func live(_ range: KeyRange = .all) -> AsyncThrowingStream<[Entry<Value>], any Error> { records.live(range) }

        /// The keys that change from now on. A slow reader gets them together. It ends when the vault is closed.
        public func changes() -> AsyncStream<Changes> { records.changes() }
    }
}

/// The records of one collection, with the codec of their values.
struct Records<Value: Sendable>: Sendable {
    let loop: Loop
    let id: CollectionID
    let codec: any Codec<Value>

    func put(_ value: Value, at key: String) throws -> Change {
        .put(collection: id.data, key: key, value: try codec.encode(value))
    }

    func delete(_ key: String) -> Change { .delete(collection: id.data, key: key) }

    func append(_ value: Value) throws -> Change {
        .append(collection: id.data, key: nil, value: try codec.encode(value))
    }

    func resolve(_ key: String, to value: Value?) throws -> Change {
        .resolve(collection: id.data, key: key, value: try value.map(codec.encode))
    }

    func get(_ key: String) async throws -> Entry<Value>? {
        let record = try await loop.call { engine, _ in try engine.get(collection: id.data, key: key) }
        return try record.map { try entry(TidelockInternal.Entry(key: key, record: $0)) }
    }

    func list(_ range: KeyRange) -> Listing<Entry<Value>> { listing(range, decoded: entry) }

    func live(_ range: KeyRange) -> AsyncThrowingStream<[Entry<Value>], any Error> {
        loop.live(id, read: { try await listing(range) { $0 }.all() }, decoded: entry)
    }

    func changes() -> AsyncStream<Changes> { loop.listeners.changes { [id] in $0 == id } }

    private func listing<Element: Sendable>(
        _ range: KeyRange,
        decoded: @escaping @Sendable (TidelockInternal.Entry) throws -> Element
    ) -> Listing<Element> {
        loop.listing(
            range,
            key: \.key,
            page: { [id] engine, range, limit in try engine.list(collection: id.data, range: range, limit: limit) },
            decoded: decoded
        )
    }

    @Sendable
    private func entry(_ data: TidelockInternal.Entry) throws -> Entry<Value> {
        Entry(
            key: data.key,
            value: try codec.decode(data.record.value),
            device: data.record.device,
            writtenAt: Date(unixMs: data.record.unixMs),
            siblings: Int(clamping: data.record.siblings)
        )
    }
}

extension Listing {
    /// All of it.
    func all() async throws -> [Element] {
        var elements: [Element] = []
        for try await element in self { elements.append(element) }
        return elements
    }
}
