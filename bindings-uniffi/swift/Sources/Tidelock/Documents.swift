import Foundation
internal import TidelockInternal

extension Vault {
    /// Documents of a vault: JSON objects under ids (1 to 256 bytes, no NUL), with at most 1,000 fields and 256 KiB each.
    ///
    /// Devices that change different fields of one document merge without a conflict. Where they change the same field, reads
    /// give the newer value, and the other one is kept as a conflict of that field.
    public struct Documents<Value: Sendable>: Sendable {
        let loop: Loop
        let id: CollectionID
        let codec: any Codec<Value>

        public var name: String { id.name }

        /// The document; nil: there is none.
        public func get(_ id: String) async throws -> Value? { try await document(id)?.value }

        /// The document with who wrote it and when.
        public func document(_ id: String) async throws -> Document<Value>? {
            let collection = self.id.data
            let data = try await loop.call { engine, _ in try engine.document(collection: collection, id: id) }
            return try data.map(document)
        }

        /// Sets a whole document: fields that it lacks are removed. Durable on return.
        public func put(_ value: Value, at id: String) async throws {
            try await loop.write([putting(value, at: id)])
        }

        /// Sets the fields that are in `fields`, and removes those that are null in it; the others stay as they are. What is
        /// within a field is not merged. A document that is not there is made. Durable on return.
        public func patch(_ id: String, _ fields: [String: JSONValue]) async throws {
            try await loop.write([patching(id, fields)])
        }

        /// Removes what this device has seen of the document. One that is not there is no error.
        public func delete(_ id: String) async throws {
            try await loop.write([deleting(id)])
        }

        /// The documents of a range of ids by ascending id, read in pages.
        public func list(_ range: KeyRange = .all) -> Listing<Document<Value>> { listing(range, decoded: document) }

        /// The documents of a range, now and again whenever they change. A slow reader gets the newest. It ends when the
        /// vault is closed.
        public func live(_ range: KeyRange = .all) -> AsyncThrowingStream<[Document<Value>], any Error> {
            loop.live(id, read: { try await listing(range) { $0 }.all() }, decoded: document)
        }

        /// The ids of documents that change from now on. A slow reader gets them together. It ends when the vault is closed.
        public func changes() -> AsyncStream<Changes> { loop.listeners.changes { [id] in $0 == id } }

        /// The fields with concurrent values.
        public func conflicts() -> Listing<FieldConflict> {
            loop.conflicts { [id] conflict in
                guard CollectionID(conflict.collection) == id, let field = conflict.field else { return nil }
                let versions = try conflict.versions.map { try Version($0, decode: JSONCodec<JSONValue>().decode) }
                return FieldConflict(id: conflict.key, field: field, versions: versions)
            }
        }

        /// Ends the conflict of a field with a value, or with nil for none. Throws `notFound` where there is no conflict.
        public func resolve(_ id: String, field: String, to value: JSONValue?) async throws {
            let json = try value.map(JSONCodec<JSONValue>().encode)
            try await loop.write([.resolveField(collection: self.id.data, id: id, field: field, value: json)])
        }

        func putting(_ value: Value, at id: String) throws -> Change {
            .put(collection: self.id.data, key: id, value: try codec.encode(value))
        }

        func patching(_ id: String, _ fields: [String: JSONValue]) throws -> Change {
            .patch(collection: self.id.data, id: id, patch: try JSONCodec<JSONValue>().encode(.object(fields)))
        }

        func deleting(_ id: String) -> Change { .delete(collection: self.id.data, key: id) }

        private func listing<Element: Sendable>(
            _ range: KeyRange,
            decoded: @escaping @Sendable (TidelockInternal.Document) throws -> Element
        ) -> Listing<Element> {
            loop.listing(
                range,
                key: \.id,
                page: { [id] engine, range, limit in try engine.documents(collection: id.data, range: range, limit: limit) },
                decoded: decoded
            )
        }

        @Sendable
        private func document(_ data: TidelockInternal.Document) throws -> Document<Value> {
            Document(
                id: data.id,
                value: try codec.decode(data.value),
                device: data.device,
                writtenAt: Date(unixMs: data.unixMs),
                conflicts: Int(clamping: data.conflicts),
                isDeletedConcurrently: data.deletedConcurrently
            )
        }
    }
}
