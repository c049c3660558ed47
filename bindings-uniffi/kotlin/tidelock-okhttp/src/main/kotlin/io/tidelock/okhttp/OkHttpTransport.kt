package io.tidelock.okhttp

import io.tidelock.Header
import io.tidelock.HttpRequest
import io.tidelock.HttpResponse
import io.tidelock.ResponseTooLong
import io.tidelock.Transport
import java.io.IOException
import java.time.Duration
import kotlin.coroutines.resumeWithException
import kotlinx.coroutines.suspendCancellableCoroutine
import okhttp3.Call
import okhttp3.Callback
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import okhttp3.Response

/**
 * OkHttp: for Android, and for applications whose own client has proxies, certificates or interceptors to keep.
 *
 * Redirects, repeats and deadlines of [client] do not apply: those are the vault's.
 */
public class OkHttpTransport(client: OkHttpClient = OkHttpClient()) : Transport {
    private val client = client.newBuilder()
        .followRedirects(false)
        .followSslRedirects(false)
        .retryOnConnectionFailure(false)
        .readTimeout(Duration.ZERO)
        .writeTimeout(Duration.ZERO)
        .callTimeout(Duration.ZERO)
        .build()

    override suspend fun send(request: HttpRequest): HttpResponse {
        val call = client.newCall(request.toOkHttp())
        return suspendCancellableCoroutine { caller ->
            caller.invokeOnCancellation { call.cancel() }
            call.enqueue(object : Callback {
                override fun onFailure(call: Call, e: IOException) = caller.resumeWithException(e)

                override fun onResponse(call: Call, response: Response) =
                    caller.resumeWith(runCatching { response.use { it.read(request.maxResponseBytes) } })
            })
        }
    }
}

private fun HttpRequest.toOkHttp(): Request {
    val body = body.takeIf { method == "PUT" || method == "POST" || it.isNotEmpty() }?.toRequestBody()
    val builder = Request.Builder().url(url).method(method, body)
    headers.forEach { builder.header(it.name, it.value) }
    // Else OkHttp asks for gzip, and the length that is bounded would not be the answer's.
    return builder.header("accept-encoding", "identity").build()
}

private fun Response.read(limit: Long): HttpResponse {
    val source = body.source()
    if (source.request(limit + 1)) throw ResponseTooLong()
    return HttpResponse(code, headers.map { (name, value) -> Header(name, value) }, source.readByteArray())
}
