package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The running server shows exactly the committed contract.
class ContractTest {

    private static String served(String language) {
        return Server.shared()
                .request()
                .header("Accept-Language", language)
                .get("/v3/api-docs.yaml")
                .then()
                .statusCode(200)
                .extract()
                .asString();
    }

    @Test
    void theCommittedContractIsTheServersOwn() throws IOException {
        String served = served("en");
        if (Boolean.getBoolean("dirtymap.openapi.write")) {
            Files.writeString(Contract.FILE, served);
        }
        List<String> committed =
                Files.exists(Contract.FILE) ? Files.readAllLines(Contract.FILE) : List.of();
        assertThat(served.lines().toList())
                .as(
                        "%s is not what the server shows. If the change is meant, run: %s",
                        Contract.FILE, Contract.REGENERATE)
                .isEqualTo(committed);
    }

    @Test
    void theContractIsTheSameForEveryCaller() {
        assertThat(served("de")).isEqualTo(served("en"));
    }

    @Test
    void nothingMayBeNull() {
        assertThat(served("en")).doesNotContain("\"null\"").doesNotContain("nullable");
    }

    @Test
    void everyOperationSaysWhatItIs() {
        assertThat(Contract.committed().operations())
                .isNotEmpty()
                .allSatisfy((_, operation) -> {
                    assertThat(operation.path("summary").asString()).isNotBlank();
                    assertThat(operation.path("description").asString()).isNotBlank();
                    assertThat(operation.path("tags").size()).isEqualTo(1);
                    operation
                            .path("parameters")
                            .forEach(parameter ->
                                    assertThat(parameter.path("description").asString())
                                            .as(parameter.path("name").asString())
                                            .isNotBlank());
                });
    }
}
