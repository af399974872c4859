package dev.dirtymap.posix;

/// The system calls that are made by number, and their numbers on each [Architecture].
///
/// Source: `asm/unistd_64.h` for x86_64, `asm-generic/unistd.h` for aarch64. Calls that are younger
/// than Linux 5.1 have the same number everywhere.
enum SystemCall {
    LSEEK(8, 62),
    GETDENTS64(217, 61),
    MKDIRAT(258, 34),
    UNLINKAT(263, 35),
    LINKAT(265, 37),
    FALLOCATE(285, 47),
    RENAMEAT2(316, 276),
    STATX(332, 291),
    OPENAT2(437, 437);

    private final long onX86;
    private final long onArm;

    SystemCall(long onX86, long onArm) {
        this.onX86 = onX86;
        this.onArm = onArm;
    }

    long on(Architecture architecture) {
        return switch (architecture) {
            case X86_64 -> onX86;
            case AARCH64 -> onArm;
        };
    }
}
