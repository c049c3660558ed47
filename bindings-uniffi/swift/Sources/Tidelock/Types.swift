import Foundation
internal import TidelockInternal

/// How writes to one key come together.
public enum CollectionKind: Hashable, Sendable {
    /// Tidelock's own records: no caller writes them.
    case root
    /// Keys with values.
    case map
    /// Entries that are added and removed, never changed.
    case log
    /// JSON objects whose fields merge one by one.
    case documents
}

/// Kind and name are a collection's identity.
public struct CollectionID: Hashable, Sendable {
    public let kind: CollectionKind
    /// 1 to 128 bytes.
    public let name: String
}

/// A code that joins the vault. Printing it shows nothing; ``reveal()`` does.
public struct RecoveryCode: Sendable, CustomStringConvertible, CustomReflectable {
    let code: String

    /// The code, for a person to keep.
    public func reveal() -> String { code }

    public var description: String { "RecoveryCode(redacted)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// What unlocks a vault for a device that joins. Printing it shows nothing.
public enum Secret: Sendable, CustomStringConvertible, CustomReflectable {
    /// The code that ``Vault/create(_:passphrase:)`` gave.
    case recovery(String)
    /// The passphrase.
    case passphrase(String)

    public var description: String {
        switch self {
        case .recovery: "recovery(redacted)"
        case .passphrase: "passphrase(redacted)"
        }
    }

    public var customMirror: Mirror { Mirror(self, children: []) }

    var data: TidelockInternal.Secret {
        switch self {
        case .recovery(let code): .recovery(code: code)
        case .passphrase(let passphrase): .passphrase(passphrase: passphrase)
        }
    }
}

/// Keys from `start` (included) to `end` (excluded; nil: to the last key), by their UTF-8 bytes.
public struct KeyRange: Hashable, Sendable {
    public var start: String
    public var end: String?

    /// The keys from `start` up to, and without, `end`.
    public init(start: String = "", end: String? = nil) {
        self.start = start
        self.end = end
    }

    /// Every key.
    public static let all = KeyRange()

    /// The keys that begin with `prefix`.
    public static func prefix(_ prefix: String) -> KeyRange {
        KeyRange(start: prefix, end: after(prefix))
    }

    /// The last character that can be counted up, counted up; what follows it is cut off.
    private static func after(_ prefix: String) -> String? {
        var scalars = Array(prefix.unicodeScalars)
        while let last = scalars.popLast() {
            // Surrogates are no characters: the one after U+D7FF is U+E000.
            guard let next = Unicode.Scalar(last.value == 0xD7FF ? 0xE000 : last.value + 1) else { continue }
            scalars.append(next)
            return String(String.UnicodeScalarView(scalars))
        }
        return nil
    }

    func data(from start: String) -> TidelockInternal.KeyRange { TidelockInternal.KeyRange(start: start, end: end) }
}

/// A key and its value.
public struct Entry<Value: Sendable>: Sendable {
    public let key: String
    /// Of concurrent values the winner.
    public let value: Value
    /// The id of the device that wrote it.
    public let device: String
    /// When it was written, by that device's clock.
    public let writtenAt: Date
    /// How many other concurrent values the key has.
    public let siblings: Int
}

/// One of the concurrent values of a key.
public struct Version<Value: Sendable>: Sendable {
    /// Nil: a delete that had not seen the others.
    public let value: Value?
    /// The id of the device that wrote it.
    public let device: String
    /// When it was written, by that device's clock.
    public let writtenAt: Date
}

/// A key with concurrent values, until one is chosen by ``Vault/Collection/resolve(_:to:)``.
public struct Conflict<Value: Sendable>: Sendable {
    /// The collection's name.
    public let collection: String
    public let key: String
    /// The winner first.
    public let versions: [Version<Value>]
}

/// A document.
public struct Document<Value: Sendable>: Sendable {
    public let id: String
    public let value: Value
    /// The id of the device that wrote the newest value in it.
    public let device: String
    /// When that was written, by that device's clock.
    public let writtenAt: Date
    /// How many fields have concurrent values.
    public let conflicts: Int
    /// A device deleted the document without having seen the fields that are here.
    public let isDeletedConcurrently: Bool
}

/// A field of a document with concurrent values, until one is chosen by ``Vault/Documents/resolve(_:field:to:)``.
public struct FieldConflict: Sendable {
    /// The document's id.
    public let id: String
    public let field: String
    /// The winner first.
    public let versions: [Version<JSONValue>]
}

extension Entry: Equatable where Value: Equatable {}
extension Version: Equatable where Value: Equatable {}
extension Conflict: Equatable where Value: Equatable {}
extension Document: Equatable where Value: Equatable {}
extension FieldConflict: Equatable {}
extension Entry: Identifiable { public var id: String { key } }
extension Document: Identifiable {}

/// What changed in a collection, by a write here or by a sync.
public struct Changes: Hashable, Sendable {
    /// The keys, at most 256; nil: too many to name.
    public let keys: Set<String>?

    /// Keys that a change names at most.
    private static let keysMax = 256

    func joined(to earlier: Changes?) -> Changes {
        guard let earlier else { return self }
        guard let keys, let before = earlier.keys else { return Changes(keys: nil) }
        let all = keys.union(before)
        return Changes(keys: all.count <= Self.keysMax ? all : nil)
    }
}

extension CollectionKind {
    init(_ data: TidelockInternal.CollectionKind) {
        self = switch data {
        case .root: .root
        case .map: .map
        case .log: .log
        case .documents: .documents
        }
    }

    fileprivate var data: TidelockInternal.CollectionKind {
        switch self {
        case .root: .root
        case .map: .map
        case .log: .log
        case .documents: .documents
        }
    }
}

extension CollectionID {
    init(_ data: TidelockInternal.Collection) {
        self.init(kind: CollectionKind(data.kind), name: data.name)
    }

    var data: TidelockInternal.Collection { TidelockInternal.Collection(kind: kind.data, name: name) }
}

extension Version {
    init(_ data: TidelockInternal.Version, decode: (Data) throws -> Value) rethrows {
        self.init(value: try data.value.map(decode), device: data.device, writtenAt: Date(unixMs: data.unixMs))
    }
}

extension Date {
    init(unixMs: UInt64) {
        self.init(timeIntervalSince1970: Double(unixMs) / 1_000)
    }
}
