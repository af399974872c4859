package dev.dirtymap.http;

import io.swagger.v3.oas.models.OpenAPI;
import io.swagger.v3.oas.models.info.Contact;
import io.swagger.v3.oas.models.info.Info;
import io.swagger.v3.oas.models.info.License;
import io.swagger.v3.oas.models.servers.Server;
import io.swagger.v3.oas.models.tags.Tag;
import java.util.List;
import org.springdoc.core.customizers.OpenApiCustomizer;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.info.BuildProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/// The contract as `/v3/api-docs` shows it. The controllers describe their parameters and successes, the
/// files in `openapi-examples` show every answer, and this puts both together. `openapi/openapi.yaml` is its
/// committed form.
@Configuration(proxyBeanMethods = false)
class OpenApiConfiguration {

    private static final String DESCRIPTION =
            """
            Reads and changes the dirty bitmaps of qcow2 disk images: which bytes of a disk changed since a \
            backup.

            **Ids.** An image's name is its path below the root folder, and a bitmap's name may be any bytes. \
            In paths and parameters both stand as ids: bytes in `[A-Za-z0-9._:-]` stand for themselves, every \
            other byte is `~` and two upper-case hex digits (`vm1~2Fdisk0.qcow2`). Every answer that names \
            something gives its id.

            **Pages.** Lists come in pages. While a page has a `nextCursor`, send it back as `cursor`. A \
            cursor needs no memory in the server; one whose image has changed is refused, so that pages of \
            different contents are never mixed.

            **Problems.** Every error is `application/problem+json` (RFC 9457). Its `type` answers GET with a \
            page that explains it, and its `remedy` says what to do next.

            **Changes.** A change is made whole or not at all, and is on the disk when it is answered. Several \
            changes of one image go into one transaction, `POST /v1/images/{image}/transactions`; several images \
            are changed together by `POST /v1/transactions`: all or none, whatever happens meanwhile. A change \
            waits for the image's lock for a moment and is then refused with 423.

            **ETags.** Every answer that shows one thing or a list carries an ETag that changes whenever the \
            answer could; with `If-None-Match` an unchanged answer is 304 without a body. A change with \
            `If-Match` is only made while that ETag holds, else it is 412: the bitmap's ETag where the path names \
            a bitmap, the image's on its bitmaps as a whole, its transactions and its check. The answer to a \
            change carries the new one.

            **Bodies.** JSON bodies are taken literally: unknown, repeated and missing members, other types and \
            null are refused, each named by a JSON pointer. Names stand in bodies as text, and as an id in a \
            member `…Id` where their bytes are not UTF-8.

            Byte counts and offsets are guest bytes unless the name says otherwise. What does not apply is \
            absent: there are no nulls. Unknown parameters are refused.\
            """;

    @Bean
    OpenAPI openApi(ObjectProvider<BuildProperties> build) {
        return new OpenAPI()
                .info(
                        new Info()
                                .title("Dirtymap")
                                .version(
                                        build.stream()
                                                .map(BuildProperties::getVersion)
                                                .findFirst()
                                                .orElse("unknown"))
                                .description(DESCRIPTION)
                                .contact(new Contact().name("The Dirtymap maintainers"))
                                .license(
                                        new License()
                                                .name("Apache License 2.0")
                                                .identifier("Apache-2.0")))
                .servers(List.of(new Server().url("/").description("This server.")))
                .tags(
                        List.of(
                                tag("Images", "The qcow2 files below the root folder."),
                                tag(
                                        "Bitmaps",
                                        "The dirty bitmaps of an image: their state, totals and raw bits, and how to change"
                                                + " them."),
                                tag("Extents", "Ranges of the disk that a bitmap marks as dirty."),
                                tag(
                                        "Planning",
                                        "How to share out the work that a bitmap stands for, and where it lies."),
                                tag(
                                        "Transactions",
                                        "Several changes of bitmaps at once, of one image or several."),
                                tag("Problems", "What each kind of problem means.")));
    }

    private static Tag tag(String name, String description) {
        return new Tag().name(name).description(description);
    }

    @Bean
    OpenApiCustomizer documentedAnswers() {
        return new DocumentedAnswers();
    }

    @Bean
    OpenApiCustomizer withoutNulls() {
        return new NullFreeSchemas();
    }
}
