package dev.dirtymap.http;

import dev.dirtymap.http.ProblemException.ParameterError;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.exc.StreamConstraintsException;
import tools.jackson.core.json.JsonFactory;

/// Reads a JSON body literally, as [StrictParameters] reads a query: members that nobody knows, members given
/// twice, values of another type, null where it means nothing, and whatever follows the value are refused,
/// each with its JSON pointer. Values become Java objects as they are read, so that a body is never held as a
/// tree.
final class JsonReader {

    /// After so many errors nobody reads on.
    private static final int MAX_ERRORS = 20;

    private static final int SHOWN = 80;

    /// No body is deeper than a few levels, and no number longer than that of a size.
    private static final int MAX_DEPTH = 32;

    private static final int MAX_DIGITS = 100;

    private static final JsonFactory FACTORY =
            JsonFactory.builder()
                    .streamReadConstraints(
                            StreamReadConstraints.builder()
                                    .maxNestingDepth(MAX_DEPTH)
                                    .maxNumberLength(MAX_DIGITS)
                                    .maxStringLength(JsonBodies.MAX_LENGTH)
                                    .build())
                    .build();

    private final JsonParser parser;
    private final List<ParameterError> errors = new ArrayList<>();
    private String pointer = "";

    private JsonReader(JsonParser parser) {
        this.parser = parser;
    }

    /// What a value must be. Finds the parser at the value's first token and leaves it at the last.
    ///
    /// @param <T> what becomes of it
    @FunctionalInterface
    interface Shape<T> {
        /// Reads one value.
        ///
        /// @return null if the value was refused
        @Nullable T read(JsonReader in);
    }

    /// One member of an object.
    ///
    /// @param nullable whether it may be null, which then means "remove"
    record Member(String name, boolean required, boolean nullable, Shape<?> shape) {

        static Member required(String name, Shape<?> shape) {
            return new Member(name, true, false, shape);
        }

        static Member optional(String name, Shape<?> shape) {
            return new Member(name, false, false, shape);
        }

        static Member removable(String name, Shape<?> shape) {
            return new Member(name, false, true, shape);
        }
    }

    /// Reads a whole body.
    ///
    /// @throws ProblemException 400 if it is not of this shape
    static <T> T read(byte[] body, Shape<T> shape) {
        String text;
        try {
            text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(body)).toString();
        } catch (CharacterCodingException e) {
            throw ProblemException.inBody("", "must be JSON in UTF-8");
        }
        try (JsonParser parser = FACTORY.createParser(ObjectReadContext.empty(), text)) {
            return new JsonReader(parser).whole(shape);
        }
    }

    private <T> T whole(Shape<T> shape) {
        try {
            parser.nextToken();
            T value = shape.read(this);
            if (parser.nextToken() != null) {
                refuse("must end after its value, but goes on");
            }
            if (value != null && errors.isEmpty()) {
                return value;
            }
        } catch (StreamConstraintsException e) {
            refuse(
                    "must be nested at most %d deep, with numbers of at most %d digits and names of at most %d characters"
                            .formatted(
                                    MAX_DEPTH,
                                    MAX_DIGITS,
                                    StreamReadConstraints.DEFAULT_MAX_NAME_LEN));
        } catch (JacksonException e) {
            refuse(
                    "must be JSON: %s at line %d, column %d"
                            .formatted(
                                    e.getOriginalMessage(),
                                    e.getLocation().getLineNr(),
                                    e.getLocation().getColumnNr()));
        }
        throw ProblemException.invalid(errors);
    }

    /// Says what is wrong with the current value.
    void refuse(String message) {
        refuse(pointer, message);
    }

    private void refuse(String at, String message) {
        errors.add(ParameterError.in(at, message));
        if (errors.size() == MAX_ERRORS) {
            throw ProblemException.invalid(errors);
        }
    }

    /// A value of another type than wanted.
    private void refuseType(String wanted) {
        JsonToken token = parser.currentToken();
        refuse("must be %s, but was %s".formatted(wanted, shown(token)));
        parser.skipChildren();
    }

    private String shown(@Nullable JsonToken token) {
        return switch (token) {
            case START_OBJECT -> "an object";
            case START_ARRAY -> "an array";
            case VALUE_STRING -> "'" + shortened(parser.getString()) + "'";
            case null -> "nothing";
            default -> shortened(parser.getString());
        };
    }

    /// A text short enough for a message.
    static String shortened(String text) {
        return text.length() <= SHOWN ? text : text.substring(0, SHOWN) + "…";
    }

    /// A text, without surrogates that stand alone: they have no bytes.
    @Nullable String text() {
        if (parser.currentToken() != JsonToken.VALUE_STRING) {
            refuseType("a string");
            return null;
        }
        String text = parser.getString();
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            refuse("must be Unicode, but has a surrogate that stands alone");
            return null;
        }
        return text;
    }

    @Nullable Boolean flag() {
        return switch (parser.currentToken()) {
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            default -> {
                refuseType("true or false");
                yield null;
            }
        };
    }

    /// A whole number; `1.0` and `1e3` are none.
    static Shape<Long> number(long least, long most) {
        return in -> {
            String wanted = "a whole number from %d to %d".formatted(least, most);
            if (in.parser.currentToken() != JsonToken.VALUE_NUMBER_INT
                    || in.parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
                in.refuseType(wanted);
                return null;
            }
            long value = in.parser.getLongValue();
            if (value < least || value > most) {
                in.refuseType(wanted);
                return null;
            }
            return value;
        };
    }

    /// A text that some rule makes a value.
    ///
    /// @param rule throws [IllegalArgumentException] with what the text must be
    static <T> Shape<T> text(Function<String, T> rule) {
        return in -> {
            String text = in.text();
            return text == null ? null : in.obey(text, rule);
        };
    }

    /// A whole number that some rule makes a value.
    ///
    /// @param rule throws [IllegalArgumentException] with what the number must be
    static Shape<Long> number(Function<Long, Long> rule) {
        Shape<Long> any = number(0, Long.MAX_VALUE);
        return in -> {
            Long value = any.read(in);
            return value == null ? null : in.obey(value, rule);
        };
    }

    private <V, T> @Nullable T obey(V value, Function<V, T> rule) {
        try {
            return rule.apply(value);
        } catch (IllegalArgumentException e) {
            refuse(String.valueOf(e.getMessage()));
            return null;
        }
    }

    /// One of an enum's names.
    static <E extends Enum<E>> Shape<E> name(Class<E> type) {
        return text(text ->
                EnumSet.allOf(type).stream()
                        .filter(constant -> constant.name().equals(text))
                        .findFirst()
                        .orElseThrow(() ->
                                new IllegalArgumentException(
                                        "must be one of %s, but was '%s'"
                                                .formatted(
                                                        EnumSet.allOf(type).stream()
                                                                .map(Enum::name)
                                                                .collect(Collectors.joining(", ")),
                                                        shortened(text)))));
    }

    /// An array of 1 or more.
    static <T> Shape<List<T>> list(Shape<T> item, int most) {
        return in -> {
            if (in.parser.currentToken() != JsonToken.START_ARRAY) {
                in.refuseType("an array");
                return null;
            }
            String outer = in.pointer;
            List<T> items = new ArrayList<>();
            int index = 0;
            while (in.parser.nextToken() != JsonToken.END_ARRAY) {
                if (index == most) {
                    in.refuse("must have at most %d elements, but had more".formatted(most));
                    throw ProblemException.invalid(in.errors);
                }
                in.pointer = outer + "/" + index++;
                T value = item.read(in);
                in.pointer = outer;
                if (value != null) {
                    items.add(value);
                }
            }
            if (index == 0) {
                in.refuse("must have at least 1 element, but had none");
            }
            return index == 0 ? null : items;
        };
    }

    /// An object.
    ///
    /// @param make makes the value of its members, of which every required one is there; what it throws as
    ///     [ProblemException] or refuses is an error of this object
    static <T> Shape<T> object(List<Member> members, Function<Members, @Nullable T> make) {
        return in -> in.readObject(members, make);
    }

    private <T> @Nullable T readObject(List<Member> members, Function<Members, @Nullable T> make) {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            refuseType("an object");
            return null;
        }
        int before = errors.size();
        String outer = pointer;
        Map<String, Object> values = new HashMap<>();
        Set<String> seen = new HashSet<>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String name = parser.currentName();
            parser.nextToken();
            pointer = outer + "/" + shortened(name).replace("~", "~0").replace("/", "~1");
            if (!seen.add(name)) {
                refuse("must be given once, but was given again");
                parser.skipChildren();
            } else {
                readMember(name, members, values);
            }
            pointer = outer;
        }
        for (Member member : members) {
            if (member.required && !seen.contains(member.name)) {
                refuse(outer + "/" + member.name, "must be given");
            }
        }
        return errors.size() > before ? null : make.apply(new Members(this, seen, values));
    }

    private void readMember(String name, List<Member> members, Map<String, Object> values) {
        Member member =
                members.stream().filter(known -> known.name.equals(name)).findFirst().orElse(null);
        if (member == null) {
            refuse(
                    members.isEmpty()
                            ? "is not a member; there are none here"
                            : members.stream()
                                    .map(Member::name)
                                    .collect(
                                            Collectors.joining(
                                                    ", ", "is not a member; here are: ", "")));
            parser.skipChildren();
        } else if (parser.currentToken() != JsonToken.VALUE_NULL) {
            Object value = member.shape.read(this);
            if (value != null) {
                values.put(name, value);
            }
        } else if (!member.nullable) {
            refuse("must not be null; leave it out instead");
        }
    }

    /// The members of one object.
    static final class Members {

        private final JsonReader in;
        private final Set<String> seen;
        private final Map<String, Object> values;

        private Members(JsonReader in, Set<String> seen, Map<String, Object> values) {
            this.in = in;
            this.seen = seen;
            this.values = values;
        }

        /// Whether it was given, be it as null.
        boolean has(String name) {
            return seen.contains(name);
        }

        /// The value of a member; null if it is absent, or null itself.
        <T> @Nullable T get(String name, Class<T> type) {
            return type.cast(values.get(name));
        }

        /// The value of a required member.
        <T> T require(String name, Class<T> type) {
            return type.cast(Objects.requireNonNull(values.get(name), name));
        }

        /// The value of a required array.
        <T> List<T> list(String name, Class<T> type) {
            return ((List<?>) require(name, List.class)).stream().map(type::cast).toList();
        }

        /// Says what is wrong with the object as a whole, or with a member of it.
        ///
        /// @param member empty for the object
        void refuse(String member, String message) {
            in.refuse(member.isEmpty() ? in.pointer : in.pointer + "/" + member, message);
        }
    }
}
