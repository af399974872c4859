package dev.dirtymap.posix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;

/// Takes rights from the current thread, for good: for the main thread of a child JVM. The raw
/// system calls act on one thread only, so that the rest of that JVM stays as it was.
@SuppressWarnings("restricted")
final class Confinement {

    private static final long NOBODY = 65534;

    private static final int PR_SET_SECCOMP = 22;
    private static final int PR_SET_NO_NEW_PRIVS = 38;
    private static final long SECCOMP_MODE_FILTER = 2;
    private static final int SECCOMP_RET_ERRNO = 0x0005_0000;
    private static final int SECCOMP_RET_ALLOW = 0x7fff_0000;

    // instructions of the filter, from <linux/bpf_common.h>
    private static final short LOAD_WORD = 0x20;
    private static final short JUMP_IF_EQUAL = 0x15;
    private static final short RETURN = 0x06;

    private static final MethodHandle SYSCALL =
            Linker.nativeLinker()
                    .downcallHandle(
                            Linker.nativeLinker().defaultLookup().findOrThrow("syscall"),
                            FunctionDescriptor.of(
                                    JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                                    JAVA_LONG, JAVA_LONG),
                            Linker.Option.firstVariadicArg(1));

    private Confinement() {}

    /// From now on, the system call of this number only answers with this errno.
    static void refuse(SystemCall call, int errno) {
        refuse(call.on(Architecture.current()), errno);
    }

    /// The same for a call that only a test knows.
    static void refuse(long systemCall, int errno) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment filter = arena.allocate(4 * 8L, 8);
            instruct(filter, 0, LOAD_WORD, 0, 0);
            instruct(filter, 1, JUMP_IF_EQUAL, 1, (int) systemCall);
            instruct(filter, 2, RETURN, 0, SECCOMP_RET_ERRNO | errno);
            instruct(filter, 3, RETURN, 0, SECCOMP_RET_ALLOW);
            MemorySegment program = arena.allocate(16, 8);
            program.set(JAVA_SHORT, 0, (short) 4);
            program.set(ADDRESS, 8, filter);
            long prctl = onX86() ? 157 : 167;
            call(prctl, PR_SET_NO_NEW_PRIVS, 1, 0);
            call(prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program.address());
        }
    }

    /// Gives up root's rights; whoever is not root has none to give up.
    static void becomeNobody() {
        if (isRoot()) {
            call(onX86() ? 119 : 149, NOBODY, NOBODY, NOBODY);
            call(onX86() ? 117 : 147, NOBODY, NOBODY, NOBODY);
        }
    }

    /// The number of the system call `fcntl`.
    static long fcntl() {
        return onX86() ? 72 : 25;
    }

    private static boolean isRoot() {
        try {
            return Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0);
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    private static boolean onX86() {
        return Architecture.current() == Architecture.X86_64;
    }

    /// `struct sock_filter`: `u16 code`, `u8 jump if true`, `u8 jump if false`, `u32 operand`.
    private static void instruct(
            MemorySegment filter, int index, short code, int jumpIfFalse, int operand) {
        filter.set(JAVA_SHORT, index * 8L, code);
        filter.set(JAVA_BYTE, index * 8L + 3, (byte) jumpIfFalse);
        filter.set(JAVA_INT, index * 8L + 4, operand);
    }

    private static void call(long number, long a, long b, long c) {
        try {
            long result = (long) SYSCALL.invokeExact(number, a, b, c, 0L, 0L);
            if (result != 0) {
                throw new AssertionError("system call " + number + " failed");
            }
        } catch (Throwable failure) {
            throw new AssertionError(failure);
        }
    }
}
