package dev.dirtymap.http;

import dev.dirtymap.http.JsonReader.Shape;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpInputMessage;
import org.springframework.http.HttpOutputMessage;
import org.springframework.http.MediaType;
import org.springframework.http.converter.HttpMessageConverter;
import org.springframework.http.converter.HttpMessageConverters;
import org.springframework.http.converter.HttpMessageNotWritableException;
import org.springframework.stereotype.Component;
import org.springframework.web.HttpMediaTypeNotSupportedException;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.method.HandlerMethod;
import org.springframework.web.servlet.HandlerInterceptor;
import org.springframework.web.servlet.config.annotation.InterceptorRegistry;
import org.springframework.web.servlet.config.annotation.WebMvcConfigurer;

/// Makes request bodies what the controllers ask for, through [JsonReader].
@Component
class JsonBodies implements WebMvcConfigurer, HandlerInterceptor {

    /// The longest body in bytes.
    static final int MAX_LENGTH = 4 << 20;

    private static final long MAX_NANOS = TimeUnit.MINUTES.toNanos(1);

    static final String MERGE_PATCH = "application/merge-patch+json";

    private static final Map<Class<?>, Shape<?>> SHAPES =
            Map.ofEntries(
                    Map.entry(
                            CheckController.CheckRequest.class, CheckController.CheckRequest.SHAPE),
                    Map.entry(
                            ImagesController.NewImageBody.class,
                            ImagesController.NewImageBody.SHAPE),
                    Map.entry(BitmapRequests.NewBitmap.class, BitmapRequests.NewBitmap.SHAPE),
                    Map.entry(BitmapRequests.BitmapPatch.class, BitmapRequests.BitmapPatch.SHAPE),
                    Map.entry(BitmapRequests.Clear.class, BitmapRequests.Clear.SHAPE),
                    Map.entry(BitmapRequests.Merge.class, BitmapRequests.Merge.SHAPE),
                    Map.entry(BitmapRequests.Copy.class, BitmapRequests.Copy.SHAPE),
                    Map.entry(BitmapRequests.Mark.class, BitmapRequests.Mark.SHAPE),
                    Map.entry(
                            TransactionRequests.Transaction.class,
                            TransactionRequests.Transaction.SHAPE),
                    Map.entry(
                            TransactionRequests.Transactions.class,
                            TransactionRequests.Transactions.SHAPE));

    @Override
    public void configureMessageConverters(HttpMessageConverters.ServerBuilder builder) {
        builder.addCustomConverter(new Converter());
    }

    @Override
    public void addInterceptors(InterceptorRegistry registry) {
        registry.addInterceptor(this).addPathPatterns("/v1/**");
    }

    /// Where a body may be absent, and is, Spring lets any type pass, and fails over one with a wildcard.
    ///
    /// @throws HttpMediaTypeNotSupportedException if the body's type is no type
    @Override
    public boolean preHandle(
            HttpServletRequest request, HttpServletResponse response, Object handler)
            throws HttpMediaTypeNotSupportedException {
        String type = request.getContentType();
        RequestMapping mapping =
                handler instanceof HandlerMethod method
                        ? method.getMethodAnnotation(RequestMapping.class)
                        : null;
        if (type != null
                && type.indexOf('*') >= 0
                && mapping != null
                && mapping.consumes().length > 0) {
            throw new HttpMediaTypeNotSupportedException(
                    (MediaType) null, MediaType.parseMediaTypes(List.of(mapping.consumes())));
        }
        return true;
    }

    /// The body of an operation that cannot do without.
    ///
    /// @throws ProblemException 400 if there is none
    static <T> T require(@Nullable T body) {
        if (body == null) {
            throw ProblemException.inBody("", "must be a JSON object, but there is none");
        }
        return body;
    }

    private static final class Converter implements HttpMessageConverter<Object> {

        @Override
        public boolean canRead(Class<?> type, @Nullable MediaType mediaType) {
            return SHAPES.containsKey(type);
        }

        @Override
        public boolean canWrite(Class<?> type, @Nullable MediaType mediaType) {
            return false;
        }

        @Override
        public List<MediaType> getSupportedMediaTypes() {
            return List.of(MediaType.APPLICATION_JSON, MediaType.valueOf(MERGE_PATCH));
        }

        @Override
        public Object read(Class<?> type, HttpInputMessage message) throws IOException {
            Shape<?> shape = SHAPES.get(type);
            if (shape == null) {
                throw new IllegalArgumentException("no body is a " + type);
            }
            if (message.getHeaders().getContentLength() > MAX_LENGTH) {
                throw tooLarge();
            }
            return JsonReader.read(readAll(message.getBody(), MAX_NANOS), shape);
        }

        @Override
        public void write(Object body, @Nullable MediaType type, HttpOutputMessage message) {
            throw new HttpMessageNotWritableException("this only reads");
        }
    }

    /// Reads a whole body. The connector cuts off a client that sends nothing; one that sends a byte now and then
    /// would hold what it holds for days.
    ///
    /// @throws ProblemException if it is too large, or takes longer than `nanos`
    static byte[] readAll(InputStream in, long nanos) throws IOException {
        long start = System.nanoTime();
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        byte[] piece = new byte[8192];
        for (int count = in.read(piece); count >= 0; count = in.read(piece)) {
            body.write(piece, 0, count);
            if (body.size() > MAX_LENGTH) {
                throw tooLarge();
            }
            if (System.nanoTime() - start > nanos) {
                throw ProblemException.inBody("", "must be sent within a minute");
            }
        }
        return body.toByteArray();
    }

    private static ProblemException tooLarge() {
        return new ProblemException(
                ProblemType.REQUEST_TOO_LARGE,
                "the body must have at most %d bytes".formatted(MAX_LENGTH));
    }
}
