package dev.dirtymap.posix;

/// The numbers that Linux gives differently to each processor.
///
/// Source: `asm/unistd_64.h` and `asm-generic/fcntl.h` for x86_64, `asm-generic/unistd.h` and
/// arm64's `asm/fcntl.h` for aarch64. Two of the `open` flags are a trap: what is `O_DIRECTORY` on
/// x86_64 is `O_DIRECT` on aarch64. Both are little-endian with 64-bit `long`, which the structures
/// in this package rely on.
enum Architecture {
    X86_64(217, 332, 0x1_0000, 0x2_0000),
    AARCH64(61, 291, 0x4000, 0x8000);

    /// `openat2`, the same number everywhere, as all system calls that are younger than Linux 5.1.
    static final long OPENAT2 = 437;

    private final long getdents64;
    private final long statx;
    private final long directoryFlag;
    private final long noFollowFlag;

    Architecture(long getdents64, long statx, long directoryFlag, long noFollowFlag) {
        this.getdents64 = getdents64;
        this.statx = statx;
        this.directoryFlag = directoryFlag;
        this.noFollowFlag = noFollowFlag;
    }

    /// Throws [UnsupportedOperationException] where the numbers are not known.
    static Architecture current() {
        return of(System.getProperty("os.name"), System.getProperty("os.arch"));
    }

    /// From the values of the system properties `os.name` and `os.arch`.
    static Architecture of(String system, String processor) {
        if (system.equals("Linux")) {
            switch (processor) {
                case "amd64", "x86_64" -> {
                    return X86_64;
                }
                case "aarch64" -> {
                    return AARCH64;
                }
                default -> {}
            }
        }
        throw new UnsupportedOperationException(
                "the system must be Linux on x86_64 or aarch64 but was "
                        + system
                        + " on "
                        + processor);
    }

    /// The number of the system call `getdents64`.
    long getdents64() {
        return getdents64;
    }

    /// The number of the system call `statx`.
    long statx() {
        return statx;
    }

    /// `O_DIRECTORY`
    long directoryFlag() {
        return directoryFlag;
    }

    /// `O_NOFOLLOW`
    long noFollowFlag() {
        return noFollowFlag;
    }
}
