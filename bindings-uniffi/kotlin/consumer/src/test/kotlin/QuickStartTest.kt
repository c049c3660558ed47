import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.readLines
import kotlin.io.path.readText
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlinx.coroutines.runBlocking

class QuickStartTest {
    @Test
    fun `the first device writes and the second one reads`() = runBlocking {
        val store = "s3://tidelock/consumer?endpoint=${System.getenv("TIDELOCK_TEST_VERSITYGW")}"
        val (phone, laptop) = List(2) { Files.createTempDirectory("consumer") }
        assertEquals("two litres", quickStart(store, phone, laptop))
    }

    @Test
    fun `the README shows what is run`() {
        val program = Path.of("src/main/kotlin/QuickStart.kt").readLines().map(String::trim)
        val shown = program.subList(program.indexOf("// README: begin") + 1, program.indexOf("// README: end"))
        val readme = Path.of("../../../README.md").readText().substringAfter("```kotlin\n").substringBefore("```")
        assertEquals(shown, readme.lines().map(String::trim).dropLastWhile(String::isEmpty))
    }
}
