package io.tidelock

import io.tidelock.data.Problem

/**
 * What a call failed with. One subclass a [kind], so that `catch` and `when` can tell them apart.
 *
 * The message never holds a secret, a signed URL or a value. The caller's own cancellation is a `CancellationException`.
 */
public sealed class TidelockException(problem: Problem) : Exception(text(problem)) {
    /** What a caller decides by. */
    public val kind: ErrorKind = problem.kind
    /** The object it happened on: a bucket key, a file, a record. */
    public val objectName: String? = problem.`object`
    /** What a person does next. */
    public val nextStep: String? = problem.nextStep
    /** Whether the same call may succeed later. */
    public val retryable: Boolean = problem.retryable

    internal companion object {
        fun of(problem: Problem): TidelockException = when (problem.kind) {
            ErrorKind.INVALID -> InvalidException(problem)
            ErrorKind.AUTH -> AuthException(problem)
            ErrorKind.NOT_FOUND -> NotFoundException(problem)
            ErrorKind.ALREADY_EXISTS -> AlreadyExistsException(problem)
            ErrorKind.THROTTLED -> ThrottledException(problem)
            ErrorKind.TIMEOUT -> TimeoutException(problem)
            ErrorKind.NETWORK -> NetworkException(problem)
            ErrorKind.CORRUPT -> CorruptException(problem)
            ErrorKind.HASH_MISMATCH -> HashMismatchException(problem)
            ErrorKind.WRONG_KEY -> WrongKeyException(problem)
            ErrorKind.ROLLED_BACK -> RolledBackException(problem)
            ErrorKind.FORKED -> ForkedException(problem)
            ErrorKind.WIPED -> WipedException(problem)
            ErrorKind.CLOCK_SKEW -> ClockSkewException(problem)
            ErrorKind.LOCAL_STORE -> LocalStoreException(problem)
            ErrorKind.BUSY -> BusyException(problem)
            ErrorKind.UNSUPPORTED -> UnsupportedException(problem)
            ErrorKind.CANCELLED -> CancelledException(problem)
            ErrorKind.CLOSED -> ClosedException(problem)
            ErrorKind.REVOKED -> RevokedException(problem)
            ErrorKind.INTERNAL -> InternalException(problem)
        }
    }
}

/** The caller's input breaks a documented limit or form. */
public class InvalidException internal constructor(problem: Problem) : TidelockException(problem)

/** The store refused the credentials or the permission. */
public class AuthException internal constructor(problem: Problem) : TidelockException(problem)

/** The bucket, the vault, or an object that must exist, does not. */
public class NotFoundException internal constructor(problem: Problem) : TidelockException(problem)

/** The store has a vault already. */
public class AlreadyExistsException internal constructor(problem: Problem) : TidelockException(problem)

/** The store asked for fewer requests; retries ran out. */
public class ThrottledException internal constructor(problem: Problem) : TidelockException(problem)

/** No answer within the deadline; retries ran out. */
public class TimeoutException internal constructor(problem: Problem) : TidelockException(problem)

/** The store could not be reached; retries ran out. */
public class NetworkException internal constructor(problem: Problem) : TidelockException(problem)

/** An object, or the local store's content, fails its checks. */
public class CorruptException internal constructor(problem: Problem) : TidelockException(problem)

/** Content does not have the hash it is named by. */
public class HashMismatchException internal constructor(problem: Problem) : TidelockException(problem)

/** The recovery code, passphrase or device key does not open the vault. */
public class WrongKeyException internal constructor(problem: Problem) : TidelockException(problem)

/** The bucket shows an older state than it has shown before. */
public class RolledBackException internal constructor(problem: Problem) : TidelockException(problem)

/** Two copies of one device write to the vault. */
public class ForkedException internal constructor(problem: Problem) : TidelockException(problem)

/** The vault's objects are gone from the bucket. */
public class WipedException internal constructor(problem: Problem) : TidelockException(problem)

/** The device's clock is too far from the store's to sign requests. */
public class ClockSkewException internal constructor(problem: Problem) : TidelockException(problem)

/** The device's own store failed: full, read-only, locked or damaged. */
public class LocalStoreException internal constructor(problem: Problem) : TidelockException(problem)

/** Another process has the vault. */
public class BusyException internal constructor(problem: Problem) : TidelockException(problem)

/** The store, or this version, cannot do this. */
public class UnsupportedException internal constructor(problem: Problem) : TidelockException(problem)

/** The engine cancelled the operation. The caller's own cancellation is a `CancellationException` instead. */
public class CancelledException internal constructor(problem: Problem) : TidelockException(problem)

/** The vault was closed. */
public class ClosedException internal constructor(problem: Problem) : TidelockException(problem)

/** This device was revoked: it takes no new records, and nothing it publishes counts. */
public class RevokedException internal constructor(problem: Problem) : TidelockException(problem)

/** A defect of Tidelock. */
public class InternalException internal constructor(problem: Problem) : TidelockException(problem)

internal fun problem(kind: ErrorKind, message: String, nextStep: String, retryable: Boolean = false) =
    Problem(kind, message, null, nextStep, retryable)

internal fun closedException() = TidelockException.of(problem(ErrorKind.CLOSED, "the vault was closed", "open it again"))

private fun text(problem: Problem) = listOfNotNull(
    problem.`object`?.let { "$it: ${problem.message}" } ?: problem.message,
    problem.nextStep,
).joinToString("; ")
