package dev.dirtymap.http;

import dev.dirtymap.http.ProblemException.ParameterError;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.lang.reflect.Method;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.springdoc.core.annotations.ParameterObject;
import org.springframework.core.MethodParameter;
import org.springframework.http.HttpHeaders;
import org.springframework.stereotype.Component;
import org.springframework.web.method.HandlerMethod;
import org.springframework.web.servlet.HandlerInterceptor;
import org.springframework.web.servlet.config.annotation.InterceptorRegistry;
import org.springframework.web.servlet.config.annotation.WebMvcConfigurer;

/// Takes parameters literally: unknown and repeated ones are refused, numbers are decimal digits, enums are
/// spelt as documented. What Spring would guess at ("on", "0x10", an empty string for nothing) is an error
/// here, so that a typo never changes a meaning. Ranges are checked later, where they are declared.
@Component
class StrictParameters implements WebMvcConfigurer, HandlerInterceptor {

    private static final Pattern DIGITS = Pattern.compile("0|[1-9][0-9]*");

    private final Map<Method, Map<String, Class<?>>> known = new ConcurrentHashMap<>();

    @Override
    public void addInterceptors(InterceptorRegistry registry) {
        registry.addInterceptor(this).addPathPatterns("/v1/**", "/problems/**");
    }

    @Override
    public boolean preHandle(
            HttpServletRequest request, HttpServletResponse response, Object handler) {
        // Spring would name a download "f.txt" where an id looks like a file name.
        response.setHeader(HttpHeaders.CONTENT_DISPOSITION, "inline");
        if (handler instanceof HandlerMethod method) {
            if (request.getRequestURI().indexOf(';') >= 0) {
                throw ProblemException.invalid(
                        "path", "must not contain ';', which in an id is written ~3B");
            }
            check(request, known.computeIfAbsent(method.getMethod(), _ -> parameters(method)));
        }
        return true;
    }

    private static void check(HttpServletRequest request, Map<String, Class<?>> known) {
        List<ParameterError> errors = new ArrayList<>();
        for (Map.Entry<String, String[]> given : request.getParameterMap().entrySet()) {
            String name = given.getKey();
            Class<?> type = known.get(name);
            String wrong;
            if (type == null) {
                wrong =
                        known.isEmpty()
                                ? "is not a parameter; this operation takes none"
                                : "is not a parameter; this operation takes "
                                        + String.join(", ", known.keySet());
            } else if (given.getValue().length > 1 && type != List.class) {
                wrong =
                        "must be given once, but was given %d times"
                                .formatted(given.getValue().length);
            } else {
                wrong = wrong(type, given.getValue()[0]);
            }
            if (wrong != null) {
                errors.add(new ParameterError(name, wrong));
            }
        }
        if (!errors.isEmpty()) {
            throw ProblemException.invalid(errors);
        }
    }

    /// What is wrong with a value of this type; null if nothing is.
    private static @Nullable String wrong(Class<?> type, String value) {
        if (type == Long.class || type == Integer.class) {
            long max = type == Long.class ? Long.MAX_VALUE : Integer.MAX_VALUE;
            if (!DIGITS.matcher(value).matches()) {
                return "must be a whole number of decimal digits, but was '%s'".formatted(value);
            }
            String largest = Long.toString(max);
            boolean tooLarge =
                    value.length() > largest.length()
                            || (value.length() == largest.length() && value.compareTo(largest) > 0);
            return tooLarge ? "must be at most %d, but was '%s'".formatted(max, value) : null;
        }
        if (type == Boolean.class) {
            return value.equals("true") || value.equals("false")
                    ? null
                    : "must be true or false, but was '%s'".formatted(value);
        }
        if (type.isEnum()) {
            List<String> names =
                    Arrays.stream(type.getEnumConstants()).map(c -> ((Enum<?>) c).name()).toList();
            return names.contains(value)
                    ? null
                    : "must be one of %s, but was '%s'".formatted(String.join(", ", names), value);
        }
        return null;
    }

    /// The query parameters of a handler: the components of its parameter records.
    private static Map<String, Class<?>> parameters(HandlerMethod method) {
        return Arrays.stream(method.getMethodParameters())
                .filter(parameter -> parameter.hasParameterAnnotation(ParameterObject.class))
                .map(MethodParameter::getParameterType)
                .flatMap(type -> Arrays.stream(type.getRecordComponents()))
                .collect(
                        Collectors.toMap(
                                RecordComponent::getName,
                                RecordComponent::getType,
                                (one, _) -> one,
                                TreeMap::new));
    }
}
