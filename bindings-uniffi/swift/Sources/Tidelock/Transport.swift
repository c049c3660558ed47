import Foundation
internal import TidelockInternal

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Sends requests. One instance serves any number of vaults.
public protocol Transport: Sendable {
    /// Sends the request once, without following redirects. Cancelling the task closes the connection.
    ///
    /// Throws ``ResponseTooLong`` for a body of more than `maxResponseBytes`, any other failure as a `URLError`.
    func send(_ request: HTTPRequest) async throws -> HTTPResponse
}

/// A header or a URL parameter.
public struct Header: Hashable, Sendable {
    /// Its name, in any case.
    public var name: String
    /// Its value.
    public var value: String

    /// A header of this name.
    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }

    init(_ data: TidelockInternal.Header) {
        self.init(name: data.name, value: data.value)
    }

    var data: TidelockInternal.Header { TidelockInternal.Header(name: name, value: value) }
}

/// A request, complete and signed. Printing it shows neither headers nor query: they hold the signature.
public struct HTTPRequest: Sendable, CustomStringConvertible, CustomReflectable {
    /// In upper case.
    public let method: String
    /// The whole URL.
    public let url: String
    /// To set beside `host` and `content-length`.
    public let headers: [Header]
    /// The body; empty: none.
    public let body: Data
    /// Read no more than this.
    public let maxResponseBytes: Int

    public var description: String { "HTTPRequest(\(method) \(withoutQuery(url)), \(body.count) B)" }
    public var customMirror: Mirror { Mirror(self, children: ["method": method, "url": withoutQuery(url)]) }
}

extension HTTPRequest {
    init(_ data: TidelockInternal.Request) {
        self.init(
            method: data.method,
            url: data.url,
            headers: data.headers.map(Header.init),
            body: data.body,
            maxResponseBytes: Int(clamping: data.maxResponseBytes)
        )
    }
}

/// A whole answer.
public struct HTTPResponse: Sendable {
    /// The status code.
    public let status: Int
    /// Its headers.
    public let headers: [Header]
    /// Its body.
    public let body: Data

    /// An answer with this status.
    public init(status: Int, headers: [Header], body: Data) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    fileprivate var data: TidelockInternal.Response {
        TidelockInternal.Response(status: UInt16(clamping: status), headers: headers.map(\.data), body: body)
    }
}

/// The body is longer than the request allows.
public struct ResponseTooLong: Error {
    /// To be thrown by a ``Transport``.
    public init() {}
}

extension Options {
    func send(_ request: TidelockInternal.Request) async -> Input {
        do {
            return .answered(id: request.id, response: try await transport.send(HTTPRequest(request)).data)
        } catch {
            return .failed(id: request.id, failure: transportFailure(error))
        }
    }
}

/// What the engine decides by: whether there was a connection.
private func transportFailure(_ error: any Error) -> TransportFailure {
    if error is ResponseTooLong { return .tooLong }
    let text = text(of: error)
    switch (error as? URLError)?.code {
    case .timedOut:
        return .timeout
    case .cannotFindHost, .cannotConnectToHost, .dnsLookupFailed, .notConnectedToInternet, .dataNotAllowed,
        .internationalRoamingOff, .callIsActive:
        return .connect(text: text)
    case .secureConnectionFailed, .serverCertificateHasBadDate, .serverCertificateUntrusted,
        .serverCertificateHasUnknownRoot, .serverCertificateNotYetValid, .clientCertificateRejected,
        .clientCertificateRequired, .appTransportSecurityRequiresSecureConnection:
        return .tls(text: text)
    #if canImport(FoundationNetworking)
    case .unknown where text.hasPrefix("SSL") || text.hasPrefix("TLS"): // there is no code for it, only curl's words
        return .tls(text: text)
    #endif
    default:
        return .reset(text: text)
    }
}

/// Of the application's own function: a network's failure and a retryable error are tried again, all others end the operation.
func signerFailure(_ error: any Error) -> TransportFailure {
    let isAgain = error is URLError || (error as? TidelockError)?.isRetryable == true
    return isAgain ? .connect(text: text(of: error)) : .noCredentials(text: text(of: error))
}

/// For a person. A `URLError` also has the URL in it, which may be a key to an object: its description has not.
func text(of error: any Error) -> String {
    (error as? TidelockError)?.description ?? (error as? URLError)?.localizedDescription ?? error.localizedDescription
}

func withoutQuery(_ url: String) -> String {
    String(url.prefix { $0 != "?" })
}
