package io.tidelock

import java.nio.file.Path
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/**
 * Where a vault is and how it is reached: `Options("s3://bucket/prefix?region=eu-central-1", path) { device = "Pixel" }`.
 *
 * @property store the bucket side: `s3://bucket/prefix?region=…&endpoint=…&path_style=true`.
 * @property local this device's folder. It holds records and keys in clear: keep it in the application's private storage,
 *   and out of backups.
 */
public class Options(public val store: String, public val local: Path) {
    public constructor(store: String, local: Path, configure: Options.() -> Unit) : this(store, local) {
        configure()
    }

    /** The bucket's keys. Not asked for where [presign] is set. */
    public var credentials: CredentialSource = CredentialSource.None

    /** Signs each request elsewhere, so that this device needs no keys for the bucket. */
    public var presign: (suspend (UnsignedRequest) -> SignedUrl)? = null

    /** What people call this device; at most 256 bytes. */
    public var device: String = System.getProperty("os.name") ?: "a device"

    /** A request's deadline before its body counts. */
    public var timeout: Duration = 30.seconds

    /** How often one request is tried again. */
    public var retries: Int = 5

    /** Requests in flight at once. */
    public var concurrency: Int = 8

    /** Whether what is published is compressed. */
    public var compression: Boolean = true

    /** Sends the requests. */
    public var transport: Transport = Transport.default

    /** Without credentials. */
    override fun toString(): String = "Options($store, $local)"

    internal fun toData() = io.tidelock.data.Options(
        store = store,
        device = device,
        presigned = presign != null,
        timeoutMs = timeout.inWholeMilliseconds.toULong(),
        retries = retries.toUInt(),
        concurrency = concurrency.toUInt(),
        compression = compression,
    )
}

/** An access key with its secret. */
public class Credentials(
    internal val accessKey: String,
    internal val secretKey: String,
    /** Belongs to temporary ones. */
    internal val sessionToken: String? = null,
) {
    override fun toString(): String = "Credentials(redacted)"

    internal fun toData() = io.tidelock.data.Credentials(accessKey, secretKey, sessionToken)
}

/** Where the bucket's keys come from. Asked again when the store says that they expired. */
public fun interface CredentialSource {
    /** Keys that are valid now. */
    public suspend fun load(): Credentials

    public companion object {
        /** No keys: every request fails with [AuthException]. */
        public val None: CredentialSource = CredentialSource { throw NoSuchElementException("no credentials were set in Options") }

        /** Keys that don't change. */
        public fun of(accessKey: String, secretKey: String, sessionToken: String? = null): CredentialSource {
            val credentials = Credentials(accessKey, secretKey, sessionToken)
            return CredentialSource { credentials }
        }

        /** `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` of the process: for servers and tests. */
        public val Environment: CredentialSource = CredentialSource {
            fun required(name: String) = System.getenv(name) ?: throw NoSuchElementException("$name is not set")
            Credentials(required("AWS_ACCESS_KEY_ID"), required("AWS_SECRET_ACCESS_KEY"), System.getenv("AWS_SESSION_TOKEN"))
        }
    }
}
