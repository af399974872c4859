# The service in a container that needs no rights: any user, a read-only root file system, no capability.
#   docker build -t dirtymap .
#   docker run --read-only --tmpfs /tmp -v /var/lib/images:/images -p 8080:8080 -e DIRTYMAP_AUTH_MODE=token … dirtymap

# With Maven, and a JDK 25 on the PATH.
ARG BUILD_IMAGE=maven:3.9-eclipse-temurin-25
# With the C library and bash, and nothing else that is used.
ARG RUNTIME_IMAGE=debian:trixie-slim

FROM ${BUILD_IMAGE} AS build

# The modules that jdeps finds in the jars. A test holds the list to it.
ARG MODULES=java.base,java.compiler,java.desktop,java.instrument,java.naming,java.net.http,java.prefs,java.scripting,java.security.jgss,java.sql,jdk.jfr,jdk.management,jdk.unsupported
RUN jlink --add-modules ${MODULES} --no-header-files --no-man-pages --strip-java-debug-attributes --output /opt/jre

WORKDIR /src
COPY pom.xml ./
# Times in a jar depend on the time zone, which stands there.
COPY .mvn .mvn
COPY src/main src/main
RUN --mount=type=cache,target=/root/.m2 mvn -B -ntp -Dmaven.test.skip=true -Djacoco.skip=true package
RUN java -Djarmode=tools -jar target/dirtymap.jar extract --layers --destination target/layers

# The cache knows the jars by path, size and time: it is made where they lie in the end.
COPY bin/train-cache bin/
RUN mkdir /app && cp -a target/layers/dependencies/. target/layers/application/. /app/ \
    && bin/train-cache /opt/jre/bin/java /app/dirtymap.jar /app/dirtymap.aot

FROM ${RUNTIME_IMAGE}

LABEL org.opencontainers.image.title="Dirtymap" \
      org.opencontainers.image.description="The dirty bitmaps of qcow2 disk images, over HTTP" \
      org.opencontainers.image.licenses="Apache-2.0"

# From what changes least to what changes most.
COPY --from=build /opt/jre /opt/jre
COPY --from=build /src/target/layers/dependencies/ /app/
COPY --from=build /src/target/layers/application/ /app/
COPY --from=build /app/dirtymap.aot /app/

# Outside of its own machine the service starts only with dirtymap.auth.mode token or jwt.
ENV SERVER_ADDRESS=0.0.0.0 \
    DIRTYMAP_ROOT=/images

# Tomcat's empty work folders in /tmp are all that is ever written outside of the images.
WORKDIR /tmp
VOLUME /images
EXPOSE 8080

# No name: nothing in the image belongs to this user. Give it the group of the images: --user 10001:107
USER 10001:10001

STOPSIGNAL SIGTERM

# By bash itself: the image has no curl, and a JVM a minute would cost more than the service. Not for TLS.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${SERVER_PORT:-8080} && printf 'GET /actuator/health/liveness HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]

# A quarter of the memory is the heap; buffers outside it take as much again at most, the JVM itself about 150 MiB.
# Native access is enabled by the jar's manifest: as an option it would have to be the same for the cache.
# Without performance data nothing else is written to /tmp. More options go in JAVA_TOOL_OPTIONS.
ENTRYPOINT ["/opt/jre/bin/java", "-XX:AOTCache=/app/dirtymap.aot", "-XX:+UseSerialGC", "-XX:MaxRAMPercentage=25", "-XX:MinRAMPercentage=25", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData", "-jar", "/app/dirtymap.jar"]
