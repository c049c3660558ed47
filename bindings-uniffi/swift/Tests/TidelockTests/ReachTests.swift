import Foundation
import Testing
@testable import Tidelock

/// Ways to the bucket other than fixed keys, and to another vault.
@Suite(.timeLimit(.minutes(2)))
struct ReachTests {
    @Test("a device without keys syncs by URLs that are signed elsewhere", arguments: Server.all)
    func keyless(_ server: Server) async throws {
        let (a, code) = try await Vault.create(server.options("presigned"))
        try await a.notes.put("green", at: "tea")
        try await a.sync()
        await a.close()

        let signed = Locked<Set<String>>([])
        var keyless = Options(store: server.uri("presigned"), local: folder())
        keyless.presign = { request in
            signed.withLock { _ = $0.insert(request.method) }
            return presigned(request, server)
        }
        let b = try await Vault.join(keyless, with: .recovery(code.reveal()))
        try await b.notes.put("oat", at: "milk")
        #expect(try await b.sync().opsPublished >= 1)
        #expect(try await b.notes.get("tea") == "green")
        #expect(signed.withLock { $0 }.isSuperset(of: ["GET", "PUT"]))
        await b.close()
        let keyed = try await Vault.open(server.options("presigned", local: keyless.local))
        #expect(try await keyed.sync().opsPublished == 0)
        await keyed.close()
    }

    @Test("a device syncs through a signer at a URL")
    func signer() async throws {
        let server = Server.embedded
        let asked = Locked<[String]>([])
        let signs = TestServer { socket, received in
            let (head, body) = TestServer.request(received, socket)
            asked.withLock { $0.append(head.lowercased()) }
            let signed = presigned(Question(body).request(server), server)
            let answer = Data(#"{"url":"\#(signed.url)","expires_in":300,"more":"is ignored"}"#.utf8)
            let answerHead = "HTTP/1.1 200 OK\r\nContent-Length: \(answer.count)\r\nConnection: close\r\n\r\n"
            _ = TestServer.write(Array(answerHead.utf8) + answer, to: socket)
        }
        var options = Options(store: server.uri("signer"), local: folder())
        options.presign = try Signer(try #require(URL(string: "\(signs.endpoint)/presign"))) { "the-token" }.sign
        let vault = try await Vault.create(options).vault
        try await vault.notes.put("green", at: "tea")
        #expect(try await vault.sync().opsPublished >= 1)
        for head in asked.withLock({ $0 }) {
            #expect(head.hasPrefix("post /presign http/1.1\r\n"))
            #expect(head.contains("\r\nauthorization: bearer the-token"))
            #expect(head.contains("\r\ncontent-type: application/json"))
        }
        await vault.close()
    }

    @Test("a signer's no is told, its failure tried again")
    func refusals() async throws {
        let said = Locked("")
        let signs = TestServer { socket, received in
            _ = TestServer.request(received, socket)
            _ = TestServer.write(Array(said.withLock { $0 }.utf8), to: socket)
            shutdown(socket, Int32(SHUT_WR))
        }
        var options = Options(store: Server.embedded.uri("refused"), local: folder())
        options.retries = 0
        options.presign = try Signer(try #require(URL(string: "\(signs.endpoint)/presign"))) { "the-token" }.sign
        func refused(_ kind: TidelockError.Kind, _ answer: String) async -> String {
            said.withLock { $0 = answer.replacingOccurrences(of: "\n", with: "\r\n") }
            return await expect(kind) { try await Vault.create(options) }?.message ?? ""
        }
        #expect(await refused(.network, "HTTP/1.1 503 Later\nConnection: close\n\n").contains("it answered 503"))
        let no = "HTTP/1.1 403 No\nConnection: close\n\n{\"error\":\"not yours\"}"
        #expect(await refused(.auth, no).contains("it answered 403: not yours"))
        let elsewhere = "HTTP/1.1 302 No\nLocation: http://127.0.0.1:1/\nConnection: close\n\n"
        #expect(await refused(.auth, elsewhere).contains("it answered 302"))
        let page = "HTTP/1.1 200 OK\nConnection: close\n\n<html>"
        #expect(await refused(.auth, page).contains("what answers at its URL is no signer"))
        options.presign = try Signer(try #require(URL(string: signs.endpoint))) { "two words" }.sign
        #expect(await refused(.auth, page).contains("the signer's token is missing or malformed"))
    }

    @Test("a question is written as the protocol says")
    func question() throws {
        let signer = try Signer(try #require(URL(string: "https://sign.example/presign"))) { "the-token" }
        func asked(_ request: UnsignedRequest) throws -> String { String(decoding: try signer.question(request), as: UTF8.self) }
        // docs/PRESIGN.md, "A question".
        let put = UnsignedRequest(
            method: "PUT",
            url: "http://127.0.0.1:9000/b/users/alice/tidelock",
            key: "users/alice/tidelock",
            query: [],
            headers: [Header(name: "if-none-match", value: "*")],
            bodyBytes: 40
        )
        #expect(try asked(put) == #"{"method":"PUT","key":"users/alice/tidelock","query":{},"headers":{"if-none-match":"*"},"content_length":40}"#)
        let list = UnsignedRequest(
            method: "GET",
            url: "http://127.0.0.1:9000/b/",
            key: nil,
            query: [Header(name: "prefix", value: "users/alice/"), Header(name: "list-type", value: "2")],
            headers: [],
            bodyBytes: 0
        )
        #expect(try asked(list) == #"{"method":"GET","key":"","query":{"list-type":"2","prefix":"users/alice/"},"headers":{},"content_length":0}"#)
    }

    @Test("a token goes to https or stays here")
    func signerURLs() throws {
        func isTaken(_ text: String) throws -> Bool {
            let url = try #require(URL(string: text))
            return (try? Signer(url) { "" }) != nil
        }
        for url in ["https://sign.example/presign", "http://localhost:8080/presign", "http://127.0.0.1/", "http://[::1]/"] {
            #expect(try isTaken(url), "\(url)")
        }
        let bad = [
            "http://sign.example/", "ftp://localhost/", "https://a:b@sign.example/", "sign.example", "http://127.0.0.1.evil/",
            "https:///presign", "https://sign.example/\(String(repeating: "a", count: 2_048))",
        ]
        for url in bad { #expect(try !isTaken(url), "\(url)") }
    }

    @Test("the tests' own signature's hash is SHA-256, its code HMAC")
    func hashes() {
        // FIPS 180-2, appendix B; RFC 4231, cases 2 and 6.
        #expect(hex(sha256(Array("abc".utf8))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(hex(sha256(Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)))
            == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
        #expect(hex(hmac(Array("Jefe".utf8), Array("what do ya want for nothing?".utf8)))
            == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(hex(hmac([UInt8](repeating: 0xAA, count: 131), Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8)))
            == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    @Test("an archive goes into another vault", arguments: Server.all)
    func archive(_ server: Server) async throws {
        let file = folder().appendingPathComponent("archive.jsonl")
        let exported = try await Vault.create(server.options("exported")).vault
        try await exported.notes.put("green", at: "tea")
        try await exported.log("history", codec: .text).append("bought tea")
        try await exported.documents("visits", codec: .text).put(#"{"place":"Brest"}"#, at: "1")
        #expect(try await exported.exportArchive(to: file) == 3)
        #expect(try String(contentsOf: file, encoding: .utf8).split(separator: "\n").count == 4)
        let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? NSNumber
        #expect(mode?.intValue == 0o600)
        await expect(.alreadyExists) { try await exported.exportArchive(to: file) }
        await expect(.notFound) { try await exported.importArchive(from: folder().appendingPathComponent("none")) }
        await exported.close()

        let vault = try await Vault.create(server.options("imported")).vault
        let live = vault.notes.live()
        #expect(try await vault.importArchive(from: file).added == 3)
        #expect(try await live.first { !$0.isEmpty }?.map(\.value) == ["green"])
        #expect(try await vault.log("history", codec: .text).list().all().map(\.value) == ["bought tea"])
        #expect(try await vault.documents("visits", codec: .text).get("1") == #"{"place":"Brest"}"#)
        #expect(try await vault.importArchive(from: file).unchanged == 3)
        #expect(try await vault.sync().opsPublished >= 3)
        await vault.close()
    }
}

/// What a signer is asked, read by its own eyes.
private struct Question: Decodable {
    let method: String
    let key: String
    let query: [String: String]
    let headers: [String: String]
    let content_length: Int

    init(_ body: Data) {
        self = try! JSONDecoder().decode(Question.self, from: body)
    }

    func request(_ server: Server) -> UnsignedRequest {
        func pairs(_ object: [String: String]) -> [Header] { object.map { Header(name: $0, value: $1) } }
        return UnsignedRequest(
            method: method,
            url: "\(server.endpoint)/tidelock/\(key)",
            key: key,
            query: pairs(query),
            headers: pairs(headers),
            bodyBytes: content_length
        )
    }
}
