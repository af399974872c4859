package dev.dirtymap.http;

import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.springdoc.core.annotations.ParameterObject;
import org.springframework.core.MethodParameter;
import org.springframework.core.convert.converter.ConverterFactory;
import org.springframework.core.convert.converter.Converter;
import org.springframework.format.FormatterRegistry;
import org.springframework.stereotype.Component;
import org.springframework.web.method.HandlerMethod;
import org.springframework.web.servlet.HandlerInterceptor;
import org.springframework.web.servlet.config.annotation.InterceptorRegistry;
import org.springframework.web.servlet.config.annotation.WebMvcConfigurer;

/// Takes parameters literally: unknown and repeated ones are refused, numbers are digits, enums are spelt as
/// documented. What Spring would guess at ("on", "0x10", an empty string for nothing) is an error here, so
/// that a typo never changes a meaning.
@Component
class StrictParameters implements WebMvcConfigurer, HandlerInterceptor {

    private static final Pattern DIGITS = Pattern.compile("0|[1-9][0-9]{0,18}");

    private final Map<Class<?>, Set<String>> recordParameters = new ConcurrentHashMap<>();

    @Override
    public void addInterceptors(InterceptorRegistry registry) {
        registry.addInterceptor(this).addPathPatterns("/v1/**", "/problems/**");
    }

    @Override
    public void addFormatters(FormatterRegistry registry) {
        registry.addConverter(String.class, Long.class, StrictParameters::wholeNumber);
        registry.addConverter(
                String.class,
                Integer.class,
                text -> Math.toIntExact(Math.min(wholeNumber(text), Integer.MAX_VALUE)));
        registry.addConverter(String.class, Boolean.class, StrictParameters::truth);
        registry.addConverterFactory(new EnumNames());
    }

    private static Long wholeNumber(String text) {
        if (DIGITS.matcher(text).matches()) {
            try {
                return Long.valueOf(text);
            } catch (NumberFormatException tooLarge) {
                throw new IllegalArgumentException(
                        "must be at most %d, but was '%s'".formatted(Long.MAX_VALUE, text), tooLarge);
            }
        }
        throw new IllegalArgumentException(
                "must be a whole number of decimal digits, but was '%s'".formatted(text));
    }

    private static Boolean truth(String text) {
        return switch (text) {
            case "true" -> true;
            case "false" -> false;
            default ->
                    throw new IllegalArgumentException(
                            "must be true or false, but was '%s'".formatted(text));
        };
    }

    @SuppressWarnings({"rawtypes", "unchecked"})
    private static final class EnumNames implements ConverterFactory<String, Enum> {

        @Override
        public <E extends Enum> Converter<String, E> getConverter(Class<E> type) {
            return text -> {
                for (E constant : type.getEnumConstants()) {
                    if (constant.name().equals(text)) {
                        return constant;
                    }
                }
                throw new IllegalArgumentException(
                        "must be one of %s, but was '%s'"
                                .formatted(
                                        Arrays.stream(type.getEnumConstants())
                                                .map(Enum::name)
                                                .collect(Collectors.joining(", ")),
                                        text));
            };
        }
    }

    @Override
    public boolean preHandle(
            HttpServletRequest request, HttpServletResponse response, Object handler) {
        if (handler instanceof HandlerMethod method) {
            if (request.getRequestURI().indexOf(';') >= 0) {
                throw ProblemException.invalid(
                        "path", "must not contain ';', which in an id is written ~3B");
            }
            Set<String> known = known(method);
            List<ProblemException.ParameterError> errors = new ArrayList<>();
            for (Map.Entry<String, String[]> given : request.getParameterMap().entrySet()) {
                String name = given.getKey();
                if (!known.contains(name)) {
                    String must =
                            known.isEmpty()
                                    ? "this operation takes no parameters"
                                    : "this operation takes " + String.join(", ", known);
                    errors.add(
                            new ProblemException.ParameterError(
                                    name, "is not a parameter; " + must));
                } else if (given.getValue().length > 1) {
                    errors.add(
                            new ProblemException.ParameterError(
                                    name,
                                    "must be given once, but was given %d times"
                                            .formatted(given.getValue().length)));
                }
            }
            if (!errors.isEmpty()) {
                throw new ProblemException(
                                ProblemType.INVALID_REQUEST,
                                errors.stream()
                                        .map(e -> e.parameter() + " " + e.message())
                                        .collect(Collectors.joining("; ")))
                        .with("errors", errors);
            }
        }
        return true;
    }

    /// The query parameters of a handler: the components of its parameter records.
    private Set<String> known(HandlerMethod method) {
        Set<String> known = new TreeSet<>();
        for (MethodParameter parameter : method.getMethodParameters()) {
            if (parameter.hasParameterAnnotation(ParameterObject.class)) {
                known.addAll(
                        recordParameters.computeIfAbsent(
                                parameter.getParameterType(),
                                type ->
                                        Arrays.stream(type.getRecordComponents())
                                                .map(RecordComponent::getName)
                                                .collect(Collectors.toUnmodifiableSet())));
            }
        }
        return known;
    }
}
