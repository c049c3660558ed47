import Foundation
internal import TidelockInternal

/// Where a vault is and how it is reached.
///
///     var options = Options(store: "s3://bucket/prefix?region=eu-central-1", local: folder)
///     options.credentials = .fixed(accessKey: "…", secretKey: "…")
public struct Options: Sendable {
    /// The bucket side: `s3://bucket/prefix?region=…&endpoint=…&path_style=true`.
    public var store: String
    /// This device's folder, made if it is missing. It holds records and keys in clear: keep it in the application's private
    /// storage. On Apple's systems it is excluded from backups.
    public var local: URL
    /// The bucket's keys. Not asked for where `presign` is set.
    public var credentials: CredentialSource = .none
    /// Signs each request elsewhere, so that this device needs no keys for the bucket: ``Signer``, or a function of your own.
    public var presign: (@Sendable (UnsignedRequest) async throws -> SignedURL)?
    /// What people call this device; at most 256 bytes.
    public var device: String = system
    /// A request's deadline before its body counts.
    public var timeout: Duration = .seconds(30)
    /// How often one request is tried again.
    public var retries: Int = 5
    /// Requests in flight at once.
    public var concurrency: Int = 8
    /// Whether what is published is compressed.
    public var compression: Bool = true
    /// Sends the requests.
    public var transport: any Transport = URLSessionTransport.shared

    /// A vault at `store`, whose local side is in the folder `local`.
    public init(store: String, local: URL) {
        self.store = store
        self.local = local
    }
}

extension Options: CustomStringConvertible, CustomReflectable {
    /// Without credentials.
    public var description: String { "Options(\(store), \(local.path))" }
    public var customMirror: Mirror { Mirror(self, children: ["store": store, "local": local.path]) }

    var data: TidelockInternal.Options {
        TidelockInternal.Options(
            store: store,
            device: device,
            presigned: presign != nil,
            timeoutMs: timeout.milliseconds,
            retries: UInt32(clamping: retries),
            concurrency: UInt32(clamping: concurrency),
            compression: compression
        )
    }

    func loadCredentials() async -> Input {
        do {
            return .haveCredentials(credentials: try await credentials.load().data)
        } catch {
            return .noCredentials(failure: signerFailure(error))
        }
    }
}

/// What this runs on. The host's name would be asked for in the network.
private let system: String = {
    #if os(macOS)
    "Mac"
    #elseif os(iOS)
    "iPhone or iPad"
    #elseif os(watchOS)
    "Apple Watch"
    #elseif os(tvOS)
    "Apple TV"
    #elseif os(visionOS)
    "Apple Vision"
    #else
    "Linux"
    #endif
}()

/// An access key with its secret. Printing it shows nothing.
public struct Credentials: Sendable, CustomStringConvertible, CustomReflectable {
    let accessKey: String
    let secretKey: String
    let sessionToken: String?

    /// A session token belongs to temporary ones.
    public init(accessKey: String, secretKey: String, sessionToken: String? = nil) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }

    public var description: String { "Credentials(redacted)" }
    public var customMirror: Mirror { Mirror(self, children: []) }

    fileprivate var data: TidelockInternal.Credentials {
        TidelockInternal.Credentials(accessKey: accessKey, secretKey: secretKey, sessionToken: sessionToken)
    }
}

/// Where the bucket's keys come from. Asked again when the store says that they expired.
public struct CredentialSource: Sendable {
    let load: @Sendable () async throws -> Credentials

    /// Keys that a function of the application's own gives, valid now. Where it throws, requests fail with `auth`; after a
    /// `URLError` or a ``TidelockError`` that is retryable they are tried again.
    public init(_ load: @escaping @Sendable () async throws -> Credentials) {
        self.load = load
    }

    /// No keys: every request fails with `auth`.
    public static let none = CredentialSource {
        throw TidelockError(.auth, "no credentials were set in Options", nextStep: "set `credentials` or `presign`")
    }

    /// Keys that don't change.
    public static func fixed(accessKey: String, secretKey: String, sessionToken: String? = nil) -> CredentialSource {
        let credentials = Credentials(accessKey: accessKey, secretKey: secretKey, sessionToken: sessionToken)
        return CredentialSource { credentials }
    }

    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` of the process: for servers and tests.
    public static let environment = CredentialSource {
        let variables = ProcessInfo.processInfo.environment
        func required(_ name: String) throws -> String {
            guard let value = variables[name] else {
                throw TidelockError(.auth, "\(name) is not set", nextStep: "set it, or `credentials` in Options")
            }
            return value
        }
        return Credentials(
            accessKey: try required("AWS_ACCESS_KEY_ID"),
            secretKey: try required("AWS_SECRET_ACCESS_KEY"),
            sessionToken: variables["AWS_SESSION_TOKEN"]
        )
    }
}
