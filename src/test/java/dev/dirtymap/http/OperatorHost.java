package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.access.IssuedToken;
import dev.dirtymap.testimages.Command;
import dev.dirtymap.testimages.ProgramResult;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.SmallDisk;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A host with a running service, whose root is a small file system that only the service sees by its name,
/// and an operator's shell beside it.
final class OperatorHost implements AutoCloseable {

    private final Path folder;
    private final Path root;
    private final List<ServiceProcess> services = new ArrayList<>();
    private @Nullable IssuedToken token;

    private OperatorHost(Path folder) throws IOException {
        this.folder = folder.toRealPath();
        this.root = Files.createDirectory(this.folder.resolve("root"));
    }

    /// Starts a service that lets everybody in.
    static OperatorHost start(Path folder) throws IOException {
        OperatorHost host = new OperatorHost(folder);
        host.startService(SmallDisk.at(host.root, 64));
        return host;
    }

    private void startService(List<String> parent, String... more) {
        List<String> properties = new ArrayList<>(List.of(more));
        properties.add("dirtymap.root=" + root);
        properties.add("dirtymap.lock-wait=200ms");
        ServiceProcess service =
                ServiceProcess.startBelow(parent, folder, properties.toArray(new String[0]));
        try {
            service.port();
        } catch (AssertionError notReady) {
            service.close();
            throw notReady;
        }
        services.add(service);
    }

    /// Starts another replica, which is the one that is spoken to from then on, with a token.
    void startReplica(IssuedToken operator) throws IOException {
        Path tokens = Files.writeString(folder.resolve("tokens"), operator.line() + "\n");
        startService(enter(), "dirtymap.auth.mode=token", "dirtymap.auth.tokens=" + tokens);
        token = operator;
    }

    /// Ends the first replica with SIGTERM.
    void stopFirst() {
        services.removeFirst().close();
    }

    ServiceProcess service() {
        return services.getLast();
    }

    private List<String> enter() {
        return List.of(
                "nsenter",
                "--target",
                String.valueOf(service().pid()),
                "--user",
                "--mount",
                "--preserve-credentials");
    }

    /// The root, as it is seen from outside.
    Path root() {
        return Path.of("/proc/" + service().pid() + "/root" + root);
    }

    /// Where the operator works.
    Path folder() {
        return folder;
    }

    /// The folder of the machine that has trouble.
    Path machine() {
        return root().resolve("vm1");
    }

    QemuImg qemu() {
        return new QemuImg(machine());
    }

    /// Runs a script outside, where the service's root has another name.
    ProgramResult run(String script) {
        return run(List.of(), root(), script);
    }

    /// Runs a script where the service runs.
    ProgramResult runInside(String script) {
        List<String> enter = new ArrayList<>(enter());
        enter.add("--wd=" + folder);
        return run(enter, root, script);
    }

    private ProgramResult run(List<String> parent, Path seenRoot, String script) {
        return Command.of(parent.toArray(new String[0]))
                .with("env", "D=http://127.0.0.1:" + service().port(), "R=" + seenRoot)
                .with("TOKEN=" + (token == null ? "" : token.token()), "no_proxy=*")
                .with("bash", "-euo", "pipefail", "-c", script)
                .in(folder)
                .tryRun();
    }

    /// An empty root, but for the folder of a machine.
    void clean() throws IOException {
        try (Stream<Path> files = Files.walk(root())) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                if (!file.equals(root())) {
                    Files.delete(file);
                }
            }
        }
        Files.createDirectory(machine());
    }

    /// Takes all room of the root's file system.
    void fill() throws IOException {
        try (FileChannel channel =
                FileChannel.open(
                        root().resolve("filler"),
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.WRITE)) {
            while (true) {
                channel.write(ByteBuffer.allocate(4096));
            }
        } catch (IOException full) {
            assertThat(full).hasMessageContaining("No space left");
        }
    }

    void requireSoundImages() throws IOException {
        try (Stream<Path> files = Files.list(machine())) {
            files.forEach(file -> qemu().assertClean(file.getFileName().toString()));
        }
    }

    @Override
    public void close() {
        services.forEach(ServiceProcess::close);
    }
}
