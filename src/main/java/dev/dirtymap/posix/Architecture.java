package dev.dirtymap.posix;

/// The processors whose numbers this package knows; those of the system calls are in [SystemCall].
///
/// Source: `asm-generic/fcntl.h` for x86_64, arm64's `asm/fcntl.h` for aarch64. Two of the `open`
/// flags are a trap: what is `O_DIRECTORY` on x86_64 is `O_DIRECT` on aarch64. Both are
/// little-endian with 64-bit `long`, which the structures in this package rely on.
enum Architecture {
    X86_64(0x1_0000, 0x2_0000),
    AARCH64(0x4000, 0x8000);

    private final long directoryFlag;
    private final long noFollowFlag;

    Architecture(long directoryFlag, long noFollowFlag) {
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

    /// `O_DIRECTORY`
    long directoryFlag() {
        return directoryFlag;
    }

    /// `O_NOFOLLOW`
    long noFollowFlag() {
        return noFollowFlag;
    }
}
