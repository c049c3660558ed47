package io.tidelock

import io.tidelock.data.TransportFailure
import java.io.IOException
import java.net.ConnectException
import java.net.SocketTimeoutException
import java.net.UnknownHostException
import java.nio.channels.UnresolvedAddressException
import javax.net.ssl.SSLException
import kotlinx.coroutines.TimeoutCancellationException

/** Sends requests. One instance serves any number of vaults. */
public interface Transport {
    /**
     * Sends [request] once, without following redirects. Cancelling the caller closes the connection.
     *
     * Throws [ResponseTooLong] for a body of more than [HttpRequest.maxResponseBytes]; any other failure as the HTTP
     * client's own `IOException`.
     */
    public suspend fun send(request: HttpRequest): HttpResponse

    public companion object {
        /** The JDK's `java.net.http`, with the system's proxy. Android has no such client: set `tidelock-okhttp`'s there. */
        public val default: Transport by lazy { JdkTransport() }
    }
}

/** A request, complete and signed. Printing it shows neither headers nor query: they hold the signature. */
public class HttpRequest internal constructor(request: io.tidelock.data.Request) {
    public val method: String = request.method
    public val url: String = request.url
    /** To set beside `host` and `content-length`. */
    public val headers: List<Header> = request.headers
    public val body: ByteArray = request.body
    /** Read no more than this. */
    public val maxResponseBytes: Long = request.maxResponseBytes.toLong()

    override fun toString(): String = "HttpRequest($method ${url.substringBefore('?')}, ${body.size} B)"
}

/** A whole answer. */
public class HttpResponse(public val status: Int, public val headers: List<Header>, public val body: ByteArray) {
    internal fun toData() = io.tidelock.data.Response(status.toUShort(), headers, body)
}

/** The body is longer than the request allows. */
public class ResponseTooLong : IOException("the answer is longer than the request allows")

/** What the engine decides by: whether there was a connection. */
internal fun transportFailure(failure: Exception): TransportFailure {
    val causes = generateSequence<Throwable>(failure) { it.cause }.take(8).toList()
    val text = failure.message ?: failure.javaClass.simpleName
    return when {
        causes.any { it is ResponseTooLong } -> TransportFailure.TooLong
        causes.any { it is SSLException } -> TransportFailure.Tls(text)
        causes.any { it is ConnectException || it is UnknownHostException || it is UnresolvedAddressException } ->
            TransportFailure.Connect(text)
        causes.any { it is TimeoutCancellationException || it is SocketTimeoutException } -> TransportFailure.Timeout
        else -> TransportFailure.Reset(text)
    }
}

/** Of the application's own function: an `IOException`, a timeout and a retryable error are tried again, all others end the operation. */
internal fun signerFailure(failure: Exception): TransportFailure {
    val text = failure.message ?: failure.javaClass.simpleName
    val again = failure is IOException || failure is TimeoutCancellationException ||
        (failure is TidelockException && failure.retryable)
    return if (again) TransportFailure.Connect(text) else noCredentials(text)
}

internal fun noCredentials(text: String) = TransportFailure.NoCredentials(text)
