package dev.dirtymap.http;

import dev.dirtymap.http.ProblemException.ParameterError;
import jakarta.validation.ConstraintViolation;
import jakarta.validation.Valid;
import jakarta.validation.Validator;
import java.lang.reflect.Constructor;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.springdoc.core.annotations.ParameterObject;
import org.springframework.beans.BeanUtils;
import org.springframework.core.MethodParameter;
import org.springframework.stereotype.Component;
import org.springframework.web.bind.support.WebDataBinderFactory;
import org.springframework.web.context.request.NativeWebRequest;
import org.springframework.web.method.support.HandlerMethodArgumentResolver;
import org.springframework.web.method.support.ModelAndViewContainer;
import org.springframework.web.servlet.config.annotation.WebMvcConfigurer;

/// Makes the records of query parameters, from text that [StrictParameters] has found good. Spring's own binding
/// reads the annotations of every component again for each of them: half of the time of a small page.
@Component
class QueryRecords implements HandlerMethodArgumentResolver, WebMvcConfigurer {

    private final Validator validator;
    private final Map<Class<?>, Plan> plans = new ConcurrentHashMap<>();

    QueryRecords(Validator validator) {
        this.validator = validator;
    }

    /// How a record is made.
    private record Plan(Constructor<?> constructor, List<String> names, List<Class<?>> types) {

        static Plan of(Class<?> type) {
            RecordComponent[] components = type.getRecordComponents();
            Class<?>[] types =
                    Arrays.stream(components)
                            .map(RecordComponent::getType)
                            .toArray(Class<?>[]::new);
            try {
                Constructor<?> constructor = type.getDeclaredConstructor(types);
                constructor.setAccessible(true);
                return new Plan(
                        constructor,
                        Arrays.stream(components).map(RecordComponent::getName).toList(),
                        List.of(types));
            } catch (NoSuchMethodException e) {
                throw new IllegalStateException(type + " must be a record", e);
            }
        }
    }

    @Override
    public void addArgumentResolvers(List<HandlerMethodArgumentResolver> resolvers) {
        resolvers.add(this);
    }

    @Override
    public boolean supportsParameter(MethodParameter parameter) {
        return parameter.hasParameterAnnotation(ParameterObject.class);
    }

    @Override
    public Object resolveArgument(
            MethodParameter parameter,
            @Nullable ModelAndViewContainer container,
            NativeWebRequest request,
            @Nullable WebDataBinderFactory binders) {
        Plan plan = plans.computeIfAbsent(parameter.getParameterType(), Plan::of);
        @Nullable Object[] values = new @Nullable Object[plan.names.size()];
        for (int i = 0; i < values.length; i++) {
            String[] given = request.getParameterValues(plan.names.get(i));
            values[i] = given == null ? null : value(plan.types.get(i), given);
        }
        Object query = BeanUtils.instantiateClass(plan.constructor, values);
        if (parameter.hasParameterAnnotation(Valid.class)) {
            requireValid(plan, validator.validate(query));
        }
        return query;
    }

    private static Object value(Class<?> type, String[] given) {
        String text = given[0];
        if (type == Long.class) {
            return Long.valueOf(text);
        }
        if (type == Integer.class) {
            return Integer.valueOf(text);
        }
        if (type == Boolean.class) {
            return Boolean.valueOf(text);
        }
        if (type.isEnum()) {
            return Arrays.stream(type.getEnumConstants())
                    .filter(constant -> ((Enum<?>) constant).name().equals(text))
                    .findFirst()
                    .orElseThrow();
        }
        return type == List.class ? List.of(given) : text;
    }

    private static void requireValid(Plan plan, Set<ConstraintViolation<Object>> violations) {
        if (!violations.isEmpty()) {
            throw ProblemException.invalid(
                    violations.stream()
                            .map(QueryRecords::error)
                            .sorted(
                                    Comparator.comparingInt(
                                            error -> plan.names.indexOf(error.parameter())))
                            .toList());
        }
    }

    private static ParameterError error(ConstraintViolation<Object> violation) {
        return new ParameterError(
                violation.getPropertyPath().toString(),
                "%s, but was '%s'".formatted(violation.getMessage(), violation.getInvalidValue()));
    }
}
