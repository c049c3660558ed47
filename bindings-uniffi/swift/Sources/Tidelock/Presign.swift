import Foundation
internal import TidelockInternal

/// A request that somebody else signs, in its URL: see `docs/PRESIGN.md`.
public struct UnsignedRequest: Sendable, CustomStringConvertible {
    /// In upper case.
    public let method: String
    /// The whole URL, unsigned.
    public let url: String
    /// The object's whole key in the bucket; nil for a listing.
    public let key: String?
    /// The URL's parameters, not encoded.
    public let query: [Header]
    /// Headers that the signature has to bind.
    public let headers: [Header]
    /// The body's length.
    public let bodyBytes: Int

    public var description: String { "UnsignedRequest(\(method) \(key ?? "a listing"), \(bodyBytes) B)" }
}

extension UnsignedRequest {
    init(_ data: TidelockInternal.UnsignedRequest) {
        self.init(
            method: data.method,
            url: data.url,
            key: data.key,
            query: data.query.map(Header.init),
            headers: data.headers.map(Header.init),
            bodyBytes: Int(clamping: data.bodyBytes)
        )
    }
}

/// A signer's answer. Printing it shows no query: it is a key to the object.
public struct SignedURL: Sendable, CustomStringConvertible, CustomReflectable {
    /// The URL that was asked for, with the parameters of a signature.
    public var url: String
    /// `x-amz-…` headers to send with it.
    public var headers: [Header]
    /// For how long it holds good from now on; nil: as the URL says.
    public var expires: Duration?

    /// A signed URL.
    public init(_ url: String, headers: [Header] = [], expires: Duration? = nil) {
        self.url = url
        self.headers = headers
        self.expires = expires
    }

    public var description: String { "SignedURL(\(withoutQuery(url)))" }
    public var customMirror: Mirror { Mirror(self, children: ["url": withoutQuery(url)]) }

    fileprivate var data: SignedUrl {
        SignedUrl(
            url: url,
            headers: headers.map(\.data),
            expiresS: expires.map { UInt32(clamping: $0.components.seconds) }
        )
    }
}

extension Options {
    func sign(_ id: UInt64, _ request: TidelockInternal.UnsignedRequest) async -> Input {
        guard let presign else { preconditionFailure("presigning was not asked for") }
        do {
            return .presigned(id: id, signed: try await presign(UnsignedRequest(request)).data)
        } catch {
            return .notPresigned(id: id, failure: signerFailure(error))
        }
    }
}
