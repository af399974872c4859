package dev.dirtymap.delivery;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.marcnuri.helm.LintResult;
import io.kubernetes.client.openapi.models.V1Container;
import io.kubernetes.client.openapi.models.V1ContainerPort;
import io.kubernetes.client.openapi.models.V1DaemonSet;
import io.kubernetes.client.openapi.models.V1Deployment;
import io.kubernetes.client.openapi.models.V1EnvVar;
import io.kubernetes.client.openapi.models.V1Ingress;
import io.kubernetes.client.openapi.models.V1NetworkPolicy;
import io.kubernetes.client.openapi.models.V1PodSpec;
import io.kubernetes.client.openapi.models.V1Probe;
import io.kubernetes.client.openapi.models.V1Service;
import io.kubernetes.client.openapi.models.V1ServiceAccount;
import io.kubernetes.client.openapi.models.V1Volume;
import io.kubernetes.client.openapi.models.V1VolumeMount;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.springframework.boot.convert.DurationStyle;

/// The chart renders what Kubernetes understands and a careful operator wants, and refuses everything else.
///
/// In its types every field may be missing; one that is fails the test.
@NullUnmarked
class ChartIT {

    private static final Set<String> ALWAYS = Set.of("Service", "ServiceAccount", "NetworkPolicy");

    /// How people deploy it.
    enum Deployed {
        SHARED_VOLUME_WITH_TOKENS("", "Deployment", "PodDisruptionBudget"),
        ONE_REPLICA("replicas: 1", "Deployment"),
        NODE_DISKS_WITH_JWT(
                """
                kind: DaemonSet
                images: {hostPath: /var/lib/libvirt/images, user: 64055, group: 104}
                auth: {mode: jwt, issuer: "https://kubernetes.default.svc", audience: backup}
                nodeSelector: {dirtymap: "true"}
                tolerations: [{key: hypervisor, operator: Exists, effect: NoSchedule}]
                """,
                "DaemonSet"),
        EVERYTHING(
                """
                replicas: 3
                image: {repository: registry.example/dirtymap, tag: 1.2.3, pullSecrets: [registry]}
                images: {claim: vm-disks}
                auth: {mode: jwt, issuer: "https://id.example:8443/realms/vm"}
                env: [{name: LOGGING_STRUCTURED_FORMAT_CONSOLE, value: logstash}]
                resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: "2", memory: 2Gi}}
                networkPolicy: {from: [{namespaceSelector: {matchLabels: {team: backup}}}], egress: [{ports: [{port: 4318}]}]}
                ingress: {enabled: true, className: nginx, host: dirtymap.example, tlsSecret: dirtymap-tls}
                serviceMonitor: {enabled: true, labels: {release: prometheus}, tokenSecret: metrics}
                """,
                "Deployment",
                "PodDisruptionBudget",
                "Ingress",
                "ServiceMonitor");

        final String values;
        private final String kinds;

        Deployed(String values, String... kinds) {
            this.values = values;
            this.kinds = String.join(" ", kinds);
        }

        /// Beside those that are always there.
        Set<String> kinds() {
            return Set.of(kinds.split(" ", -1));
        }

        boolean onNodes() {
            return kinds().contains("DaemonSet");
        }

        KubernetesObjects objects(Path folder) throws IOException {
            return new Chart(values, folder).objects();
        }

        V1PodSpec pod(Path folder) throws IOException {
            KubernetesObjects objects = objects(folder);
            return onNodes()
                    ? objects.one(V1DaemonSet.class).getSpec().getTemplate().getSpec()
                    : objects.one(V1Deployment.class).getSpec().getTemplate().getSpec();
        }
    }

    @TempDir private Path folder;

    @ParameterizedTest
    @EnumSource
    void isLintedStrictly(Deployed deployed) throws IOException {
        LintResult result = new Chart(deployed.values, folder).lint();
        assertThat(result.isFailed()).as("%s", result.getMessages()).isFalse();
        assertThat(result.getMessages()).noneMatch(message -> message.matches("\\[(WARN|ERR).*"));
    }

    @ParameterizedTest
    @EnumSource
    void rendersWhatKubernetesUnderstands(Deployed deployed) throws IOException {
        assertThat(deployed.objects(folder).kinds())
                .containsAll(ALWAYS)
                .containsAll(deployed.kinds())
                .hasSize(ALWAYS.size() + deployed.kinds().size());
    }

    @ParameterizedTest
    @CsvSource({
        "'  replicas: 2', '  replicaz: 2'",
        "'  runAsNonRoot: true', '  runAsNonRooot: true'",
        "'readOnlyRootFilesystem: true', 'readOnlyRootFileSystem: true'",
        "'failureThreshold: 60', 'failureTreshold: 60'",
        "'automountServiceAccountToken: false', 'automountServiceAccountTokens: false'",
        "'podSelector:', 'podSelectors:'",
        "'maxUnavailable: 1', 'maxUnavailble: 1'",
        "'containerPort: 8080', 'containerPort: http'"
    })
    void anUnknownFieldOrAWrongTypeWouldBeSeen(String right, String wrong) throws IOException {
        String yaml = new Chart("", folder).render();
        assertThat(yaml).contains(right);
        assertThatThrownBy(() -> KubernetesObjects.parse(yaml.replace(right, wrong)))
                .isInstanceOf(RuntimeException.class);
    }

    @ParameterizedTest
    @CsvSource({
        "'      path: /actuator/prometheus', '      paths: /actuator/prometheus'",
        "'monitoring.coreos.com/v1', 'monitoring.coreos.com/v2'"
    })
    void anUnknownFieldOfAServiceMonitorWouldBeSeen(String right, String wrong) throws IOException {
        String yaml = new Chart(Deployed.EVERYTHING.values, folder).render();
        assertThat(yaml).contains(right);
        assertThatThrownBy(() -> KubernetesObjects.parse(yaml.replace(right, wrong)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "auth: {mode: none} | auth.mode",
                "auth: {mode: ''} | auth.mode",
                "auth: {tokensSecret: ''} | auth.tokensSecret",
                "auth: {mode: jwt} | auth.issuer",
                "auth: {mode: jwt, issuer: 'http://id.example'} | auth.issuer",
                "auth: {mode: jwt, issuer: 'https://id.example', audience: ''} | auth.audience",
                "auth: {tokens: secret} | tokens",
                "env: [{name: lower, value: a}] | env",
                "env: [{name: PORT, value: 8080}] | env",
                "env: [{name: PORT}] | env",
                "replica: 2 | replica",
                "replicas: 0 | replicas",
                "kind: StatefulSet | kind",
                "kind: DaemonSet | images.hostPath",
                "'kind: DaemonSet\nimages: {hostPath: var/lib}' | images.hostPath",
                "images: {claim: ''} | images.claim",
                "images: {user: 0} | images.user",
                "images: {group: 0} | images.group",
                "resources: {limits: {memory: null}} | memory",
                "networkPolicy: {from: []} | networkPolicy.from",
                "ingress: {enabled: true, host: dirtymap.example} | ingress.tlsSecret",
                "'ingress: {enabled: true, host: a.example, tlsSecret: t}\nkind: DaemonSet\nimages: {hostPath: /d}' |"
                        + " needs kind Deployment",
                "serviceMonitor: {enabled: true} | serviceMonitor.tokenSecret"
            })
    void refusesOtherValues(String values, String named) {
        // Helm writes places with dots or with slashes, as its version likes.
        String place = named.replace(".", "[./]");
        assertThatThrownBy(() -> new Chart(values, folder).render())
                .isInstanceOf(IllegalStateException.class)
                .message()
                .containsPattern(place);
    }

    @ParameterizedTest
    @EnumSource
    void thePodHasNoRights(Deployed deployed) throws IOException {
        V1PodSpec pod = deployed.pod(folder);
        assertThat(pod.getAutomountServiceAccountToken()).isFalse();
        assertThat(pod.getHostNetwork()).isNull();
        assertThat(pod.getHostPID()).isNull();
        assertThat(pod.getHostIPC()).isNull();
        var rights = pod.getSecurityContext();
        assertThat(rights.getRunAsNonRoot()).isTrue();
        assertThat(rights.getRunAsUser()).isPositive();
        assertThat(rights.getRunAsGroup()).isEqualTo(deployed.onNodes() ? 104 : 107);
        assertThat(rights.getSupplementalGroups()).containsExactly(rights.getRunAsGroup());
        assertThat(rights.getFsGroup()).as("would change the owner of images").isNull();
        assertThat(rights.getSeccompProfile().getType()).isEqualTo("RuntimeDefault");
        var own = only(pod).getSecurityContext();
        assertThat(own.getReadOnlyRootFilesystem()).isTrue();
        assertThat(own.getAllowPrivilegeEscalation()).isFalse();
        assertThat(own.getPrivileged()).isNull();
        assertThat(own.getCapabilities().getDrop()).containsExactly("ALL");
        assertThat(own.getCapabilities().getAdd()).isNullOrEmpty();
        assertThat(only(pod).getResources().getLimits()).containsKey("memory");
    }

    @ParameterizedTest
    @EnumSource
    void whatIsMountedIsWritableOnlyForImagesAndTheEmptyFolder(Deployed deployed)
            throws IOException {
        V1PodSpec pod = deployed.pod(folder);
        boolean tokens = !deployed.values.contains("jwt");
        assertThat(only(pod).getVolumeMounts())
                .filteredOn(mount -> !Boolean.TRUE.equals(mount.getReadOnly()))
                .extracting(V1VolumeMount::getMountPath)
                .containsExactly("/images", "/tmp");
        assertThat(only(pod).getVolumeMounts()).hasSize(tokens ? 3 : 2);
        V1Volume images = pod.getVolumes().getFirst();
        if (deployed.onNodes()) {
            assertThat(images.getHostPath().getPath()).isEqualTo("/var/lib/libvirt/images");
            assertThat(images.getHostPath().getType()).isEqualTo("Directory");
        } else {
            assertThat(images.getPersistentVolumeClaim().getClaimName()).isIn("images", "vm-disks");
        }
        Map<String, String> environment = environment(pod);
        assertThat(environment.getOrDefault("LOGGING_STRUCTURED_FORMAT_CONSOLE", ""))
                .isEqualTo(deployed == Deployed.EVERYTHING ? "logstash" : "");
        assertThat(environment).containsEntry("DIRTYMAP_AUTH_MODE", tokens ? "token" : "jwt");
        if (tokens) {
            assertThat(environment).containsEntry("DIRTYMAP_AUTH_TOKENS", "/etc/dirtymap/tokens");
            assertThat(pod.getVolumes().getLast().getSecret().getSecretName())
                    .isEqualTo("dirtymap-tokens");
        } else {
            assertThat(environment.get("DIRTYMAP_AUTH_JWT_ISSUER")).startsWith("https://");
            assertThat(environment.get("DIRTYMAP_AUTH_JWT_AUDIENCE")).isIn("backup", "dirtymap");
        }
    }

    @ParameterizedTest
    @EnumSource
    void agreesWithTheImageAndTheProperties(Deployed deployed) throws IOException {
        Properties properties = new Properties();
        try (Reader reader =
                Files.newBufferedReader(Path.of("src/main/resources/application.properties"))) {
            properties.load(reader);
        }
        V1PodSpec pod = deployed.pod(folder);
        assertThat(only(pod).getCommand()).as("the image's own").isNullOrEmpty();
        assertThat(only(pod).getArgs()).isNullOrEmpty();
        assertThat(only(pod).getPorts())
                .extracting(V1ContainerPort::getContainerPort)
                .containsExactly(Dockerfile.port());
        assertThat(properties.getProperty("server.port"))
                .isEqualTo(String.valueOf(Dockerfile.port()));
        assertThat(environment(pod))
                .containsEntry("SERVER_ADDRESS", Dockerfile.environment("SERVER_ADDRESS"))
                .containsEntry("DIRTYMAP_ROOT", Dockerfile.environment("DIRTYMAP_ROOT"))
                .containsEntry("DIRTYMAP_ROOT", Dockerfile.volume());
        if (!deployed.onNodes()) {
            assertThat(pod.getSecurityContext().getRunAsUser()).isEqualTo(Dockerfile.user());
        }
        for (V1Probe probe : List.of(only(pod).getLivenessProbe(), only(pod).getStartupProbe())) {
            assertThat(probe.getHttpGet().getPath()).isEqualTo("/actuator/health/liveness");
            assertThat(probe.getHttpGet().getPort().getStrValue()).isEqualTo("http");
        }
        assertThat(only(pod).getReadinessProbe().getHttpGet().getPath())
                .isEqualTo("/actuator/health/readiness");
        Duration shutdown =
                DurationStyle.detectAndParse(
                        properties.getProperty("spring.lifecycle.timeout-per-shutdown-phase"));
        assertThat(pod.getTerminationGracePeriodSeconds()).isGreaterThan(shutdown.toSeconds());
    }

    @ParameterizedTest
    @EnumSource
    void whoMayComeInIsSaid(Deployed deployed) throws IOException {
        KubernetesObjects objects = deployed.objects(folder);
        var policy = objects.one(V1NetworkPolicy.class).getSpec();
        assertThat(policy.getPolicyTypes()).containsExactly("Ingress", "Egress");
        assertThat(policy.getIngress())
                .allSatisfy(rule -> {
                    assertThat(rule.getFrom()).isNotEmpty();
                    assertThat(rule.getPorts()).hasSize(1);
                });
        List<String> out =
                policy.getEgress().stream()
                        .flatMap(rule -> rule.getPorts().stream())
                        .map(port -> port.getPort().toString())
                        .toList();
        assertThat(out)
                .isEqualTo(
                        switch (deployed) {
                            case SHARED_VOLUME_WITH_TOKENS, ONE_REPLICA -> List.of();
                            case NODE_DISKS_WITH_JWT -> List.of("53", "53", "443", "6443");
                            case EVERYTHING -> List.of("53", "53", "8443", "6443", "4318");
                        });
        assertThat(objects.one(V1ServiceAccount.class).getAutomountServiceAccountToken()).isFalse();
    }

    @Test
    void everybodyFindsThePodsByTheSameLabels() throws IOException {
        KubernetesObjects objects = Deployed.EVERYTHING.objects(folder);
        var workload = objects.one(V1Deployment.class).getSpec();
        Map<String, String> labels = workload.getTemplate().getMetadata().getLabels();
        assertThat(labels).isEqualTo(workload.getSelector().getMatchLabels());
        var service = objects.one(V1Service.class).getSpec();
        assertThat(service.getSelector()).isEqualTo(labels);
        assertThat(service.getPorts().getFirst().getTargetPort().getStrValue()).isEqualTo("http");
        assertThat(objects.one(V1NetworkPolicy.class).getSpec().getPodSelector().getMatchLabels())
                .isEqualTo(labels);
        var rule = objects.one(V1Ingress.class).getSpec().getRules().getFirst();
        assertThat(rule.getHttp().getPaths().getFirst().getBackend().getService().getName())
                .isEqualTo(objects.one(V1Service.class).getMetadata().getName());
    }

    private static V1Container only(V1PodSpec pod) {
        assertThat(pod.getContainers()).hasSize(1);
        return pod.getContainers().getFirst();
    }

    private static Map<String, String> environment(V1PodSpec pod) {
        return only(pod).getEnv().stream()
                .collect(Collectors.toMap(V1EnvVar::getName, V1EnvVar::getValue));
    }
}
