import Foundation
internal import TidelockInternal

/// Values that are bytes, as one type: how a collection's values are written and read.
public protocol Codec<Value>: Sendable {
    /// What the application works with.
    associatedtype Value: Sendable

    /// At most 256 KiB.
    func encode(_ value: Value) throws -> Data

    /// Whatever it throws reaches the reader of the value.
    func decode(_ bytes: Data) throws -> Value
}

/// The bytes themselves.
public struct BytesCodec: Codec {
    /// As `.bytes`.
    public init() {}

    public func encode(_ value: Data) -> Data { value }
    public func decode(_ bytes: Data) -> Data { bytes }
}

/// UTF-8.
public struct TextCodec: Codec {
    /// As `.text`.
    public init() {}

    public func encode(_ value: String) -> Data { Data(value.utf8) }

    public func decode(_ bytes: Data) throws -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.utf8.elementsEqual(bytes) else { // what is no UTF-8 was replaced
            throw TidelockError(.invalid, "the value is not UTF-8", nextStep: "read it by the codec it was written by")
        }
        return text
    }
}

/// JSON in the form of RFC 8785: the same bytes in every language.
public struct JSONCodec<Value: Codable & Sendable>: Codec {
    private let encoder: JSONEncoder
    private let decoder: JSONDecoder

    /// JSON with an encoder and a decoder of the application's own.
    public init(encoder: JSONEncoder, decoder: JSONDecoder) {
        self.encoder = encoder
        self.decoder = decoder
    }

    /// JSON with dates in ISO 8601 and bytes in Base64.
    public init() {
        encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
    }

    public func encode(_ value: Value) throws -> Data {
        try canonical(try encoder.encode(value))
    }

    public func decode(_ bytes: Data) throws -> Value {
        try decoder.decode(Value.self, from: bytes)
    }
}

/// The one form of a JSON text.
func canonical(_ text: Data) throws -> Data {
    try throwing { try canonicalJson(text: text) }
}

extension Codec where Self == BytesCodec {
    /// The bytes themselves.
    public static var bytes: BytesCodec { BytesCodec() }
}

extension Codec where Self == TextCodec {
    /// UTF-8.
    public static var text: TextCodec { TextCodec() }
}

/// Any JSON value. Literals make one: `["rating": 5, "note": .null]`.
public enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])
}

extension JSONValue: Codable {
    public init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let string = try? value.decode(String.self) {
            self = .string(string)
        } else if let array = try? value.decode([JSONValue].self) {
            self = .array(array)
        } else {
            self = .object(try value.decode([String: JSONValue].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .null: try value.encodeNil()
        case .bool(let bool): try value.encode(bool)
        case .number(let number): try value.encode(number)
        case .string(let string): try value.encode(string)
        case .array(let array): try value.encode(array)
        case .object(let object): try value.encode(object)
        }
    }
}

extension JSONValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int) { self = .number(Double(value)) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(stringLiteral value: String) { self = .string(value) }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(Dictionary(elements) { _, last in last })
    }
}
