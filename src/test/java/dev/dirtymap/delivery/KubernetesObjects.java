package dev.dirtymap.delivery;

import com.networknt.schema.Error;
import com.networknt.schema.InputFormat;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import io.kubernetes.client.common.KubernetesObject;
import io.kubernetes.client.openapi.models.V1DaemonSet;
import io.kubernetes.client.openapi.models.V1Deployment;
import io.kubernetes.client.openapi.models.V1Ingress;
import io.kubernetes.client.openapi.models.V1NetworkPolicy;
import io.kubernetes.client.openapi.models.V1PodDisruptionBudget;
import io.kubernetes.client.openapi.models.V1Service;
import io.kubernetes.client.openapi.models.V1ServiceAccount;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import tools.jackson.databind.json.JsonMapper;

/// What a chart renders, as Kubernetes understands it: each object in the type of its kind, with no field that the type
/// has not.
///
/// @param typed the objects that Kubernetes itself knows
/// @param kinds of all objects
record KubernetesObjects(List<KubernetesObject> typed, Set<String> kinds) {

    /// The part of the type that a chart may use, after the operator's reference.
    private static final String SERVICE_MONITOR =
            """
            {
              "type": "object", "additionalProperties": false,
              "required": ["apiVersion", "kind", "metadata", "spec"],
              "properties": {
                "apiVersion": {"const": "monitoring.coreos.com/v1"},
                "kind": {"const": "ServiceMonitor"},
                "metadata": {
                  "type": "object", "additionalProperties": false, "required": ["name", "labels"],
                  "properties": {
                    "name": {"type": "string"},
                    "namespace": {"type": "string"},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}}
                  }
                },
                "spec": {
                  "type": "object", "additionalProperties": false, "required": ["selector", "endpoints"],
                  "properties": {
                    "selector": {
                      "type": "object", "additionalProperties": false,
                      "properties": {"matchLabels": {"type": "object", "additionalProperties": {"type": "string"}}}
                    },
                    "endpoints": {
                      "type": "array", "minItems": 1,
                      "items": {
                        "type": "object", "additionalProperties": false, "required": ["port", "path"],
                        "properties": {
                          "port": {"type": "string"},
                          "path": {"const": "/actuator/prometheus"},
                          "authorization": {
                            "type": "object", "additionalProperties": false, "required": ["credentials"],
                            "properties": {
                              "credentials": {
                                "type": "object", "additionalProperties": false, "required": ["name", "key"],
                                "properties": {"name": {"type": "string"}, "key": {"type": "string"}}
                              }
                            }
                          }
                        }
                      }
                    }
                  }
                }
              }
            }
            """;

    @FunctionalInterface
    private interface Parser {
        KubernetesObject parse(String json) throws IOException;
    }

    private static final Map<String, Parser> TYPES =
            Map.of(
                    "apps/v1 Deployment", V1Deployment::fromJson,
                    "apps/v1 DaemonSet", V1DaemonSet::fromJson,
                    "v1 Service", V1Service::fromJson,
                    "v1 ServiceAccount", V1ServiceAccount::fromJson,
                    "networking.k8s.io/v1 NetworkPolicy", V1NetworkPolicy::fromJson,
                    "networking.k8s.io/v1 Ingress", V1Ingress::fromJson,
                    "policy/v1 PodDisruptionBudget", V1PodDisruptionBudget::fromJson);

    KubernetesObjects {
        typed = List.copyOf(typed);
        kinds = Set.copyOf(kinds);
    }

    /// @param yaml documents
    /// @throws IllegalArgumentException if an object is of no known kind, or has an unknown field
    static KubernetesObjects parse(String yaml) {
        LoaderOptions strict = new LoaderOptions();
        strict.setAllowDuplicateKeys(false);
        List<KubernetesObject> typed = new ArrayList<>();
        Set<String> kinds = new TreeSet<>();
        for (Object document : new Yaml(new SafeConstructor(strict)).loadAll(yaml)) {
            if (document == null) {
                continue;
            }
            Map<?, ?> fields = (Map<?, ?>) document;
            String json = JsonMapper.shared().writeValueAsString(fields);
            String kind = fields.get("apiVersion") + " " + fields.get("kind");
            if (!kinds.add(String.valueOf(fields.get("kind")))) {
                throw new IllegalArgumentException("two of kind " + kind);
            }
            if (kind.equals("monitoring.coreos.com/v1 ServiceMonitor")) {
                requireServiceMonitor(json);
            } else {
                typed.add(typed(kind, json));
            }
        }
        return new KubernetesObjects(typed, kinds);
    }

    private static KubernetesObject typed(String kind, String json) {
        Parser parser = TYPES.get(kind);
        if (parser == null) {
            throw new IllegalArgumentException("unknown kind " + kind);
        }
        try {
            return parser.parse(json);
        } catch (IOException e) {
            throw new IllegalArgumentException(kind, e);
        }
    }

    private static void requireServiceMonitor(String json) {
        List<Error> errors =
                SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
                        .getSchema(SERVICE_MONITOR, InputFormat.JSON)
                        .validate(json, InputFormat.JSON);
        if (!errors.isEmpty()) {
            throw new IllegalArgumentException("ServiceMonitor: " + errors);
        }
    }

    /// The one object of this type.
    <T extends KubernetesObject> T one(Class<T> type) {
        return typed.stream()
                .filter(type::isInstance)
                .map(type::cast)
                .findFirst()
                .orElseThrow(() -> new AssertionError("no " + type.getSimpleName()));
    }
}
