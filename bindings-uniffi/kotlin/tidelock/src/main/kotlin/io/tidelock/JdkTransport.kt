package io.tidelock

import java.io.ByteArrayOutputStream
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest.BodyPublishers
import java.net.http.HttpResponse.BodySubscriber
import java.nio.ByteBuffer
import java.time.Duration
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionStage
import java.util.concurrent.Flow.Subscription
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import kotlinx.coroutines.suspendCancellableCoroutine

/** `java.net.http` over HTTP/1.1: cancelling a request closes its connection. */
internal class JdkTransport : Transport {
    private val client = HttpClient.newBuilder()
        .version(HttpClient.Version.HTTP_1_1)
        .followRedirects(HttpClient.Redirect.NEVER)
        .connectTimeout(Duration.ofSeconds(10))
        .build()

    override suspend fun send(request: HttpRequest): HttpResponse {
        val sending = java.net.http.HttpRequest.newBuilder(URI(request.url))
            .method(request.method, BodyPublishers.ofByteArray(request.body))
        request.headers.forEach { sending.header(it.name, it.value) }
        val answer = client.sendAsync(sending.build()) { LimitedBody(request.maxResponseBytes) }.cancellable()
        val headers = answer.headers().map().flatMap { (name, values) -> values.map { Header(name, it) } }
        return HttpResponse(answer.statusCode(), headers, answer.body())
    }
}

/** Waits for the future; cancelling the caller cancels it, which closes the connection. */
private suspend fun <T> CompletableFuture<T>.cancellable(): T = suspendCancellableCoroutine { caller ->
    caller.invokeOnCancellation { cancel(true) }
    whenComplete { value, failure ->
        if (failure == null) caller.resume(value) else caller.resumeWithException(failure.cause ?: failure)
    }
}

/** A body of at most [limit] bytes. */
private class LimitedBody(private val limit: Long) : BodySubscriber<ByteArray> {
    private val bytes = ByteArrayOutputStream()
    private val whole = CompletableFuture<ByteArray>()
    private lateinit var subscription: Subscription

    override fun getBody(): CompletionStage<ByteArray> = whole

    override fun onSubscribe(subscription: Subscription) {
        this.subscription = subscription
        subscription.request(Long.MAX_VALUE)
    }

    override fun onNext(items: List<ByteBuffer>) {
        for (item in items) {
            if (bytes.size() + item.remaining() > limit) {
                subscription.cancel()
                whole.completeExceptionally(ResponseTooLong())
                return
            }
            val chunk = ByteArray(item.remaining())
            item.get(chunk)
            bytes.write(chunk)
        }
    }

    override fun onError(failure: Throwable) {
        whole.completeExceptionally(failure)
    }

    override fun onComplete() {
        whole.complete(bytes.toByteArray())
    }
}
