package io.tidelock

import io.tidelock.data.SignedUrl as SignedUrlData
import io.tidelock.data.UnsignedRequest as UnsignedRequestData
import kotlin.time.Duration

/** A request that somebody else signs, in its URL: see `docs/PRESIGN.md`. */
public class UnsignedRequest internal constructor(data: UnsignedRequestData) {
    public val method: String = data.method
    /** The whole URL, unsigned. */
    public val url: String = data.url
    /** The object's whole key in the bucket; null for a listing. */
    public val key: String? = data.key
    /** The URL's parameters, not encoded. */
    public val query: List<Header> = data.query
    /** Headers that the signature has to bind. */
    public val headers: List<Header> = data.headers
    /** The body's length. */
    public val bodyBytes: Long = data.bodyBytes.toLong()

    override fun toString(): String = "UnsignedRequest($method $key, $bodyBytes B)"
}

/**
 * A signer's answer. Printing it shows no query: it is a key to the object.
 *
 * @property url the URL that was asked for, with the parameters of a signature.
 * @property headers `x-amz-…` headers to send with it.
 * @property expires for how long it holds good from now on; null: as the URL says.
 */
public class SignedUrl(
    public val url: String,
    public val headers: List<Header> = listOf(),
    public val expires: Duration? = null,
) {
    override fun toString(): String = "SignedUrl(${url.substringBefore('?')})"

    internal fun toData() = SignedUrlData(url, headers, expires?.inWholeSeconds?.coerceIn(0, UInt.MAX_VALUE.toLong())?.toUInt())
}
