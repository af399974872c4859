package dev.dirtymap.access;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.images.ConfigurationException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What a file of tokens may say, and the command that makes its lines.
class TokenFileTest {

    private static final String HASH =
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    @TempDir private Path folder;

    private Path file(String... lines) throws IOException {
        return Files.write(folder.resolve("tokens.jsonl"), List.of(lines));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'name':'a'} | line 2: sha256 must be the token's SHA-256 as 64 lower-case hex digits",
                "{'sha256':'HASH','scopes':['bitmaps:read']} | line 2: name must be 1 to 100 characters of",
                "{'name':'a b','sha256':'HASH'} | line 2: name must be 1 to 100 characters of",
                "{'name':'a','sha256':'HASH'} | line 2: scopes must name one at least",
                "{'name':'a','sha256':'HASH','scopes':[]} | line 2: scopes must name one at least",
                "{'name':'a','sha256':'HASH','scopes':['read']} | line 2: a scope must be bitmaps:read,"
                        + " bitmaps:write or bitmaps:delete, but was 'read'",
                "{'name':'a','sha256':'HASH','scopes':['bitmaps:read'],'prefix':'x'} | line 2: Unrecognized property",
                "{'name':'a','sha256':'HASH','scopes':['bitmaps:read'],'expires':'soon'} | line 2: expires must be a"
                        + " day as in 2027-01-01, or an instant",
                "{'name':'first','sha256':'HASH','scopes':['bitmaps:read']} | line 2: the name is given a second time",
                "{'name':'a','sha256':'HASH','scopes':['bitmaps:read']}{} | line 2: Trailing token",
                "null | line 2: name must be",
                "name: a | line 2: Unrecognized token 'name'"
            })
    void aBrokenFileStopsTheStartAndSaysWhere(String line, String sentence) throws IOException {
        Path file =
                file(
                        json("{'name':'first','sha256':'HASH','scopes':['bitmaps:read']}"),
                        json(line));
        assertThatThrownBy(() -> new TokenFile(file))
                .isInstanceOf(ConfigurationException.class)
                .hasMessageStartingWith(
                        "dirtymap.auth.tokens: %s is no list of tokens: ".formatted(file))
                .hasMessageContaining(sentence);
    }

    private static String json(String text) {
        return text.replace('\'', '"').replace("HASH", HASH);
    }

    @Test
    void aFileThatIsNotThereStopsTheStart() {
        Path missing = folder.resolve("missing");
        assertThatThrownBy(() -> new TokenFile(missing))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("dirtymap.auth.tokens: %s does not exist.".formatted(missing));
    }

    /// Once the times of a file can be relied on, it is not read for each request: an edit that leaves them all as they
    /// were is not seen.
    @Test
    void aFileIsReadOnceForEachVersion() throws IOException {
        IssuedToken first = IssuedToken.of("one", "--scope", "bitmaps:read");
        IssuedToken second = IssuedToken.of("two", "--scope", "bitmaps:read");
        Path file = file(first.line());
        FileTime old = FileTime.from(Instant.parse("2026-01-01T00:00:00Z"));
        Files.setLastModifiedTime(file, old);
        TokenFile tokens = new TokenFile(file);
        assertThat(tokens.whose(first.token()).name()).isEqualTo("one");
        file(second.line());
        Files.setLastModifiedTime(file, old);
        assertThat(tokens.whose(first.token()).name()).isEqualTo("one");
        Files.setLastModifiedTime(file, FileTime.from(Instant.now()));
        assertThat(tokens.whose(second.token()).name()).isEqualTo("two");
        // And right after an edit, the times are not relied on.
        file(first.line());
        assertThat(tokens.whose(first.token()).name()).isEqualTo("one");
        assertThatThrownBy(() -> tokens.whose(second.token()))
                .isInstanceOf(UnauthenticatedException.class);
    }

    @Test
    void aFileWithoutTokensLetsNobodyIn() throws IOException {
        TokenFile tokens = new TokenFile(file("# none yet", ""));
        assertThatThrownBy(() -> tokens.whose(""))
                .isInstanceOf(UnauthenticatedException.class)
                .hasMessage("the token is not known");
    }

    @Test
    void theCommandMakesATokenOf256RandomBitsAndKeepsItToItself() {
        IssuedToken made =
                IssuedToken.of(
                        "backup",
                        "--scope",
                        "bitmaps:read",
                        "--prefix",
                        "vm1/",
                        "--expires",
                        "2027-01-01");
        assertThat(made.token()).matches("dmt_[A-Za-z0-9_-]{43}");
        assertThat(made.line())
                .matches(
                        "\\{\"name\":\"backup\",\"sha256\":\"[0-9a-f]{64}\",\"scopes\":\\[\"bitmaps:read\"],"
                                + "\"prefixes\":\\[\"vm1/\"],\"expires\":\"2027-01-01\"}")
                .doesNotContain(made.token());
        NamedToken read = NamedToken.parse(made.line());
        assertThat(read.sha256()).isEqualTo(NamedToken.sha256(made.token()));
        assertThat(read.expires()).isEqualTo(Instant.parse("2027-01-01T00:00:00Z"));
        assertThat(read.caller().seesAll()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "--name x",
                "--name x --scope all",
                "--name x --scope bitmaps:read --expires never",
                "--scope bitmaps:read",
                "--name x --scope",
                "--name x --role admin"
            })
    void theCommandSaysWhatItTakes(String line) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int exit =
                TokenCommand.run(
                        line.isEmpty() ? List.of() : List.of(line.split(" ", -1)),
                        new PrintStream(out, true, UTF_8),
                        new PrintStream(err, true, UTF_8));
        assertThat(exit).isEqualTo(2);
        assertThat(out.toString(UTF_8)).isEmpty();
        assertThat(err.toString(UTF_8)).contains("java -jar dirtymap.jar token --name NAME");
    }
}
