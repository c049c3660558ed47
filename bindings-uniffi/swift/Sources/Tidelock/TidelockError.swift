import Foundation
internal import TidelockInternal

/// What a call failed with.
///
/// No text of it holds a secret, a signed URL or a value. The caller's own cancellation is a `CancellationError`.
public struct TidelockError: LocalizedError, Hashable, Sendable, CustomStringConvertible {
    /// What a caller decides by.
    public let kind: Kind
    /// What failed and why.
    public let message: String
    /// The object it happened on: a bucket key, a file, a record.
    public let object: String?
    /// What a person does next.
    public let nextStep: String?
    /// Whether the same call may succeed later.
    public let isRetryable: Bool

    public var errorDescription: String? { failed }
    public var recoverySuggestion: String? { nextStep }
    public var description: String { nextStep.map { "\(failed); \($0)" } ?? failed }

    private var failed: String { object.map { "\($0): \(message)" } ?? message }

    /// What went wrong, by what a caller does next.
    public enum Kind: String, CaseIterable, Sendable {
        /// The caller's input breaks a documented limit or form.
        case invalid
        /// The store refused the credentials or the permission.
        case auth
        /// The bucket, the vault, or an object that must exist, does not.
        case notFound = "not-found"
        /// The store has a vault already.
        case alreadyExists = "already-exists"
        /// The store asked for fewer requests; retries ran out.
        case throttled
        /// No answer within the deadline; retries ran out.
        case timeout
        /// The store could not be reached; retries ran out.
        case network
        /// An object, or the local store's content, fails its checks.
        case corrupt
        /// Content does not have the hash it is named by.
        case hashMismatch = "hash-mismatch"
        /// The recovery code, passphrase or device key does not open the vault.
        case wrongKey = "wrong-key"
        /// The bucket shows an older state than it has shown before.
        case rolledBack = "rolled-back"
        /// Two copies of one device write to the vault.
        case forked
        /// The vault's objects are gone from the bucket.
        case wiped
        /// This device was revoked: it takes no new records, and nothing it publishes counts.
        case revoked
        /// The device's clock is too far from the store's to sign requests.
        case clockSkew = "clock-skew"
        /// The device's own store failed: full, read-only, locked or damaged.
        case localStore = "local-store"
        /// Another process has the vault.
        case busy
        /// The store, or this version, cannot do this.
        case unsupported
        /// The engine cancelled the operation. The caller's own cancellation is a `CancellationError` instead.
        case cancelled
        /// The vault was closed.
        case closed
        /// A defect of Tidelock.
        case `internal`
    }
}

extension TidelockError {
    init(_ problem: Problem) {
        self.init(
            kind: Kind(problem.kind),
            message: problem.message,
            object: problem.object,
            nextStep: problem.nextStep,
            isRetryable: problem.retryable
        )
    }

    init(_ kind: Kind, _ message: String, nextStep: String, isRetryable: Bool = false) {
        self.init(kind: kind, message: message, object: nil, nextStep: nextStep, isRetryable: isRetryable)
    }

    static let closed = TidelockError(.closed, "the vault was closed", nextStep: "open it again")
}

extension TidelockError.Kind {
    init(_ kind: ErrorKind) {
        self = switch kind {
        case .invalid: .invalid
        case .auth: .auth
        case .notFound: .notFound
        case .alreadyExists: .alreadyExists
        case .throttled: .throttled
        case .timeout: .timeout
        case .network: .network
        case .corrupt: .corrupt
        case .hashMismatch: .hashMismatch
        case .wrongKey: .wrongKey
        case .rolledBack: .rolledBack
        case .forked: .forked
        case .wiped: .wiped
        case .revoked: .revoked
        case .clockSkew: .clockSkew
        case .localStore: .localStore
        case .busy: .busy
        case .unsupported: .unsupported
        case .cancelled: .cancelled
        case .closed: .closed
        case .internal: .internal
        }
    }
}

/// What the library throws, as this module's error.
func throwing<Value>(_ call: () throws -> Value) throws -> Value {
    do {
        return try call()
    } catch Failure.Failed(let problem) {
        throw TidelockError(problem)
    }
}
