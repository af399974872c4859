package dev.dirtymap.http;

import java.io.IOException;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/// Looks at something on a disk without waiting for a disk that does not answer, as when the server of a network
/// file system is gone. One thread at most is left waiting there, and everybody who comes meanwhile waits for the
/// same answer.
final class PatientLook<T> {

    private final String what;
    private final Callable<T> look;
    private final long patienceMillis;
    private @Nullable FutureTask<T> running;

    /// @param what is looked at, for the sentence that tells of no answer
    PatientLook(String what, Callable<T> look, long patienceMillis) {
        this.what = what;
        this.look = look;
        this.patienceMillis = patienceMillis;
    }

    /// What there is to see.
    ///
    /// @throws IOException if there is no answer in time, or the look failed
    T get() throws IOException, InterruptedException {
        try {
            return task().get(patienceMillis, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw new IOException(
                    "%s has not answered for %d ms".formatted(what, patienceMillis), e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof IOException failure
                    ? failure
                    : new IOException(String.valueOf(e.getCause()), e.getCause());
        }
    }

    private synchronized FutureTask<T> task() {
        FutureTask<T> task = running;
        if (task == null || task.isDone()) {
            task = new FutureTask<>(look);
            // Not a virtual one: a call that hangs would keep one of the few threads that carry
            // them.
            Thread.ofPlatform().daemon().name("look").start(task);
            running = task;
        }
        return task;
    }
}
