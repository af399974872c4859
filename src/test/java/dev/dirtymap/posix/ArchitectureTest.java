package dev.dirtymap.posix;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ArchitectureTest {

    @Test
    void knowsTheNumbersOfX86() {
        Architecture x86 = Architecture.of("Linux", "amd64");

        assertThat(x86.directoryFlag()).isEqualTo(0_200_000);
        assertThat(x86.noFollowFlag()).isEqualTo(0_400_000);
    }

    /// Two flags are others than on x86_64, where 0200000 is `O_DIRECTORY` and here `O_DIRECT`.
    @Test
    void knowsTheNumbersOfArm() {
        Architecture arm = Architecture.of("Linux", "aarch64");

        assertThat(arm.directoryFlag()).isEqualTo(0_040_000);
        assertThat(arm.noFollowFlag()).isEqualTo(0_100_000);
    }

    /// By `asm/unistd_64.h` and `asm-generic/unistd.h`.
    @ParameterizedTest
    @CsvSource({
        "LSEEK, 8, 62",
        "GETDENTS64, 217, 61",
        "MKDIRAT, 258, 34",
        "UNLINKAT, 263, 35",
        "LINKAT, 265, 37",
        "FALLOCATE, 285, 47",
        "RENAMEAT2, 316, 276",
        "STATX, 332, 291",
        "OPENAT2, 437, 437",
    })
    void knowsTheNumbersOfTheSystemCalls(SystemCall call, long onX86, long onArm) {
        assertThat(call.on(Architecture.X86_64)).isEqualTo(onX86);
        assertThat(call.on(Architecture.AARCH64)).isEqualTo(onArm);
    }

    @Test
    void refusesASystemWhoseNumbersItDoesNotKnow() {
        assertThatExceptionOfType(UnsupportedOperationException.class)
                .isThrownBy(() -> Architecture.of("Linux", "riscv64"))
                .withMessage(
                        "the system must be Linux on x86_64 or aarch64 but was Linux on riscv64");
        assertThatExceptionOfType(UnsupportedOperationException.class)
                .isThrownBy(() -> Architecture.of("Mac OS X", "aarch64"));
    }
}
