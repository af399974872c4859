package dev.dirtymap.testimages;

import java.time.Duration;
import java.util.Set;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/// Fails a test class that leaves a file below the temporary folder open or locked.
///
/// Registered for every class through `META-INF/services`, so no test has to remember it. It compares once a top-level
/// class and not once a method: a fixture that a class opens in its first test and closes after its last is no leak.
/// The comparison is made when JUnit closes the class's store, whose first entry is the last to be closed, and so
/// comes after all `@AfterAll`, `@AutoClose` and `@TempDir` work. Deleted files count as well.
public final class LeakCheck implements BeforeAllCallback {

    private static final Duration PATIENCE = Duration.ofSeconds(2);

    @Override
    public void beforeAll(ExtensionContext context) {
        if (context.getEnclosingTestClasses().isEmpty()) {
            context.getStore(Namespace.create(LeakCheck.class))
                    .put("before", new Watch(context.getDisplayName(), OpenFiles.now()));
        }
    }

    private record Watch(String testClass, OpenFiles before) implements AutoCloseable {

        @Override
        public void close() {
            Set<String> leaked = OpenFiles.leakedSince(before, PATIENCE);
            if (!leaked.isEmpty()) {
                throw new AssertionError(
                        "%s left open:%n%s"
                                .formatted(testClass, String.join(System.lineSeparator(), leaked)));
            }
        }
    }
}
