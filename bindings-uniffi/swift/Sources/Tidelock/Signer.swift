import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// A signer at a URL, for ``Options/presign``: one question a request, one URL in answer, as `docs/PRESIGN.md` says.
///
///     options.presign = try Signer(URL(string: "https://sign.example/presign")!) { try await session.token() }.sign
public struct Signer: Sendable, CustomStringConvertible, CustomReflectable {
    private static let urlBytesMax = 2_048
    private static let tokenBytesMax = 16 << 10
    /// A signed URL of 16 KiB, and headers.
    private static let answerBytesMax = 64 << 10
    /// Of what a signer says to a person.
    private static let messageCharactersMax = 200

    private let url: URL
    private let token: @Sendable () async throws -> String
    private let transport: any Transport

    /// A signer that knows its users by a bearer token, which is asked for with every request.
    ///
    /// Throws `invalid` for a URL that is neither `https://` nor `http://` to this device itself.
    public init(_ url: URL, token: @escaping @Sendable () async throws -> String) throws {
        func invalid(_ why: String) -> TidelockError {
            TidelockError(
                .invalid,
                "the signer's URL \(why)",
                nextStep: "write https://HOST/PATH; http:// is for a signer on this machine alone"
            )
        }
        if url.absoluteString.utf8.count > Self.urlBytesMax { throw invalid("is too long") }
        if url.user != nil || url.password != nil { throw invalid("has a user's name or password in it") }
        let isHere = ["localhost", "127.0.0.1", "[::1]", "::1"].contains(url.host)
        // The token, and what the answer allows, would be anybody's on the way.
        guard url.scheme == "https" || (url.scheme == "http" && isHere), url.host?.isEmpty == false else {
            throw invalid("is not https")
        }
        self.url = url
        self.token = token
        transport = isHere ? URLSessionTransport.direct : URLSessionTransport.shared
    }

    public var description: String { "Signer(\(withoutQuery(url.absoluteString)))" }
    public var customMirror: Mirror { Mirror(self, children: ["url": withoutQuery(url.absoluteString)]) }

    /// Has one request signed.
    @Sendable
    public func sign(_ request: UnsignedRequest) async throws -> SignedURL {
        let token = try await token()
        guard (1...Self.tokenBytesMax).contains(token.utf8.count), token.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw Refused("the signer's token is missing or malformed")
        }
        let asked = HTTPRequest(
            method: "POST",
            url: url.absoluteString,
            headers: [
                Header(name: "authorization", value: "Bearer \(token)"),
                Header(name: "content-type", value: "application/json"),
            ],
            body: try question(request),
            maxResponseBytes: Self.answerBytesMax
        )
        let answer = try await transport.send(asked)
        switch answer.status {
        case 200:
            guard let signed = try? JSONDecoder().decode(Answer.self, from: answer.body) else {
                throw Refused("what answers at its URL is no signer")
            }
            let headers = (signed.headers ?? [:]).sorted { $0.key < $1.key }.map { Header(name: $0, value: $1) }
            return SignedURL(signed.url, headers: headers, expires: signed.expires_in.map { .seconds($0) })
        case 408, 429, 500...599:
            throw TidelockError(.network, "it answered \(answer.status)", nextStep: "try again later", isRetryable: true)
        default:
            throw Refused(refusal(answer))
        }
    }

    /// A signer's no, in its own words where they can be shown.
    private func refusal(_ answer: HTTPResponse) -> String {
        let said = (try? JSONDecoder().decode(Refusal.self, from: answer.body))?.error ?? ""
        let isShown = !said.isEmpty && !said.unicodeScalars.contains { $0.properties.generalCategory == .control }
        return "it answered \(answer.status)" + (isShown ? ": \(said.prefix(Self.messageCharactersMax))" : "")
    }

    /// Without spaces, the fields in the order that the protocol has.
    func question(_ request: UnsignedRequest) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        func json(_ value: some Encodable) throws -> String { String(decoding: try encoder.encode(value), as: UTF8.self) }
        func object(_ pairs: [Header]) throws -> String {
            try json(Dictionary(pairs.map { ($0.name, $0.value) }) { _, last in last })
        }
        let fields = [
            "\"method\":\(try json(request.method))",
            "\"key\":\(try json(request.key ?? ""))",
            "\"query\":\(try object(request.query))",
            "\"headers\":\(try object(request.headers))",
            "\"content_length\":\(request.bodyBytes)",
        ]
        return Data("{\(fields.joined(separator: ","))}".utf8)
    }

    private struct Answer: Decodable {
        let url: String
        let headers: [String: String]?
        let expires_in: UInt32?
    }

    private struct Refusal: Decodable {
        let error: String
    }

    /// It says no: nothing is tried again.
    private struct Refused: LocalizedError {
        let errorDescription: String?

        init(_ text: String) {
            errorDescription = text
        }
    }
}
