package dev.dirtymap.testimages;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/// Shares the machine among the JVMs that run tests side by side: a class that is [Undisturbed] waits until it has it
/// for itself.
///
/// Registered for every class through `META-INF/services`, before [LeakCheck], which then sees neither file.
public final class MachineShare implements BeforeAllCallback {

    private static final Path TURN = Path.of("target", "turn.lock");
    private static final Path MACHINE = Path.of("target", "machine.lock");

    @Override
    public void beforeAll(ExtensionContext context) throws IOException {
        if (context.getEnclosingTestClasses().isEmpty()) {
            boolean alone = context.getRequiredTestClass().isAnnotationPresent(Undisturbed.class);
            context.getStore(Namespace.create(MachineShare.class)).put("share", Share.take(!alone));
        }
    }

    private record Share(FileChannel machine) implements AutoCloseable {

        static Share take(boolean shared) throws IOException {
            // Who waits for the whole machine keeps the turn, so that no newcomer takes a share
            // meanwhile.
            try (FileChannel turn = open(TURN);
                    FileLock held = turn.lock()) {
                assert held.isValid();
                FileChannel machine = open(MACHINE);
                machine.lock(0, Long.MAX_VALUE, shared);
                return new Share(machine);
            }
        }

        private static FileChannel open(Path file) throws IOException {
            return FileChannel.open(
                    file,
                    StandardOpenOption.CREATE,
                    StandardOpenOption.READ,
                    StandardOpenOption.WRITE);
        }

        @Override
        public void close() throws IOException {
            machine.close();
        }
    }
}
