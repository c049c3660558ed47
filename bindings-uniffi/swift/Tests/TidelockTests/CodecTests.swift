import Foundation
import Testing
import Tidelock

/// Values as bytes, and ranges of keys.
struct CodecTests {
    @Test("JSON has one form, and dates in it are text")
    func json() throws {
        struct Event: Codable, Equatable { let title: String, at: Date, bytes: Data, count: Int }
        let codec = JSONCodec<Event>()
        let event = Event(title: "a/b", at: Date(timeIntervalSince1970: 0), bytes: Data([0, 255]), count: 9_007_199_254_740_991)
        let text = #"{"at":"1970-01-01T00:00:00Z","bytes":"AP8=","count":9007199254740991,"title":"a/b"}"#
        #expect(String(decoding: try codec.encode(event), as: UTF8.self) == text)
        #expect(try codec.decode(Data(text.utf8)) == event)
    }

    @Test("what a 64-bit float can't hold is refused, not rounded")
    func numbers() async throws {
        await expect(.invalid) { try JSONCodec<Int>().encode(9_007_199_254_740_993) }
        await expect(.invalid) { try JSONCodec<UInt64>().encode(.max) }
        #expect(throws: EncodingError.self) { try JSONCodec<Double>().encode(.nan) }
    }

    @Test("a JSON value is what it was")
    func values() throws {
        let value: JSONValue = ["a": [1, 2.5, true, .null, "text"], "b": [:], "1": -0.5]
        let codec = JSONCodec<JSONValue>()
        #expect(try codec.decode(try codec.encode(value)) == value)
        #expect(String(decoding: try codec.encode(value), as: UTF8.self) == #"{"1":-0.5,"a":[1,2.5,true,null,"text"],"b":{}}"#)
    }

    @Test("text is UTF-8, a mark of its order kept, and nothing else")
    func text() async throws {
        for text in ["", "Grüße", "\u{FEFF}marked", "\0"] {
            #expect(try TextCodec().decode(TextCodec().encode(text)) == text)
        }
        for bytes in [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80]] as [[UInt8]] {
            await expect(.invalid) { try TextCodec().decode(Data(bytes)) }
        }
    }

    @Test("a prefix's range ends before the first key that has it not")
    func prefixes() {
        #expect(KeyRange.prefix("ab") == KeyRange(start: "ab", end: "ac"))
        #expect(KeyRange.prefix("") == .all)
        // Between U+D7FF and U+E000 are the surrogates, beyond U+10FFFF is nothing.
        #expect(KeyRange.prefix("a\u{D7FF}") == KeyRange(start: "a\u{D7FF}", end: "a\u{E000}"))
        #expect(KeyRange.prefix("a\u{10FFFF}") == KeyRange(start: "a\u{10FFFF}", end: "b"))
        #expect(KeyRange.prefix("\u{10FFFF}") == KeyRange(start: "\u{10FFFF}"))
    }
}
