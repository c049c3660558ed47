internal import TidelockInternal

extension Vault {
    /// Changes to any number of collections, written together by ``Vault/write(isolation:_:)``.
    public struct Batch {
        var changes: [Change] = []

        /// Sets a value.
        public mutating func put<Value>(_ value: Value, in collection: Collection<Value>, at key: String) throws {
            changes.append(try collection.records.put(value, at: key))
        }

        /// Removes what this device has seen at a key.
        public mutating func delete<Value>(_ key: String, in collection: Collection<Value>) {
            changes.append(collection.records.delete(key))
        }

        /// Ends a conflict.
        public mutating func resolve<Value>(_ key: String, in collection: Collection<Value>, to value: Value?) throws {
            changes.append(try collection.records.resolve(key, to: value))
        }

        /// Sets a whole document.
        public mutating func put<Value>(_ value: Value, in documents: Documents<Value>, at id: String) throws {
            changes.append(try documents.putting(value, at: id))
        }

        /// Sets the fields that are in `fields`; null removes one.
        public mutating func patch<Value>(_ id: String, in documents: Documents<Value>, _ fields: [String: JSONValue]) throws {
            changes.append(try documents.patching(id, fields))
        }

        /// Removes what this device has seen of a document.
        public mutating func delete<Value>(_ id: String, in documents: Documents<Value>) {
            changes.append(documents.deleting(id))
        }

        /// Adds an entry.
        public mutating func append<Value>(_ value: Value, to log: Log<Value>) throws {
            changes.append(try log.records.append(value))
        }

        /// Removes an entry for ever.
        public mutating func delete<Value>(_ key: String, in log: Log<Value>) {
            changes.append(log.records.delete(key))
        }
    }
}
