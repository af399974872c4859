package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.http.ExtentPage.ExtentBody;
import dev.dirtymap.images.Id;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.mock.web.MockHttpServletRequest;
import org.springframework.mock.web.MockHttpServletResponse;
import tools.jackson.databind.json.JsonMapper;

/// The disk gives an error in the middle of a list. Whoever reads a stream is told so in it, and where to go on.
class ReadErrorTest {

    private static final Id IMAGE = Id.of("a.qcow2".getBytes(StandardCharsets.US_ASCII));
    private static final ExtentQuery ALL =
            new ExtentQuery(null, null, null, null, null, null, null, null);

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    application/x-ndjson | (?s).*"offset":131072,"length":65536}\\n\\{"record":"error",.*"status":500.*,"resumeOffset":196608}\\n
                    text/csv             | (?s)offset,length\\n.*\\n131072,65536\\n# error \\S+ resumeOffset=196608\\n
                    text/plain           | (?s).*\\n131072 65536\\n# error \\S+ resumeOffset=196608\\n
                    """)
    void isToldInTheStream(String type, String expected) throws Exception {
        MockHttpServletResponse response = answer(type, 2);
        assertThat(response.getStatus()).isEqualTo(200);
        assertThat(response.getContentAsString()).matches(expected);
    }

    /// Nothing was sent yet: the answer is a problem.
    @Test
    void beforeTheFirstExtentIsNoStream() {
        assertThatThrownBy(() -> answer("text/plain", 0))
                .isInstanceOf(IOException.class)
                .hasMessage("Input/output error");
    }

    /// A list that breaks off after some extents.
    private static MockHttpServletResponse answer(String type, int extents) throws Exception {
        var request = new MockHttpServletRequest("GET", "/v1/images/a.qcow2/extents");
        request.addHeader("Accept", type);
        var response = new MockHttpServletResponse();
        Listing listing =
                new Listing(
                        IMAGE,
                        "subject",
                        "fingerprint",
                        1L << 30,
                        1 << 16,
                        _ -> new LineWriter.Columns(false, false, false),
                        window ->
                                ExtentPage.of(
                                        IMAGE,
                                        List.of(),
                                        null,
                                        1L << 30,
                                        null,
                                        true,
                                        null,
                                        window.next(),
                                        window.end()),
                        (_, _) -> bodies(extents));
        new ExtentAnswers(
                        new StreamPlaces(new SimpleMeterRegistry()),
                        new RequestMeters(new SimpleMeterRegistry()),
                        JsonMapper.shared())
                .answer(ALL, null, () -> listing, request, response);
        return response;
    }

    private static Listing.Bodies bodies(int extents) {
        int[] count = {0};
        return () -> {
            if (count[0] == extents) {
                throw new IOException("Input/output error");
            }
            return ExtentBody.of(count[0]++ * 131072L, 65536, null);
        };
    }
}
