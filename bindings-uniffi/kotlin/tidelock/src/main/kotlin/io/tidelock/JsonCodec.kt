package io.tidelock

import io.tidelock.internal.canonicalJson
import kotlinx.serialization.KSerializer
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.serializer

/**
 * JSON by kotlinx.serialization, the same bytes as in every language: `vault.collection("todo", jsonCodec<Todo>())`. The
 * application adds `kotlinx-serialization-json`.
 */
public inline fun <reified T> jsonCodec(json: Json = Json): Codec<T> = jsonCodec(serializer<T>(), json)

/** JSON with a serializer of the application's own. */
public fun <T> jsonCodec(serializer: KSerializer<T>, json: Json = Json): Codec<T> = object : Codec<T> {
    override fun encode(value: T) =
        throwing { canonicalJson(json.encodeToString(serializer, value).encodeToByteArray(throwOnInvalidSequence = true)) }
    override fun decode(bytes: ByteArray) =
        json.decodeFromString(serializer, bytes.decodeToString(throwOnInvalidSequence = true))
}

/** Sets the fields that [patch] has: `visits.patch("42", buildJsonObject { put("rating", 5) })`. `JsonNull` removes a field. */
public suspend fun Documents<*>.patch(id: String, patch: JsonObject): Unit = patch(id, patch.toString())

/** Ends the conflict of a field with a value, or with null for none. */
public suspend fun Documents<*>.resolve(id: String, field: String, value: JsonElement?): Unit =
    resolve(id, field, value?.toString())
