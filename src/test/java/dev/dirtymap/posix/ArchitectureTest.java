package dev.dirtymap.posix;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import org.junit.jupiter.api.Test;

class ArchitectureTest {

    @Test
    void knowsTheNumbersOfX86() {
        Architecture x86 = Architecture.of("Linux", "amd64");

        assertThat(x86.getdents64()).isEqualTo(217);
        assertThat(x86.statx()).isEqualTo(332);
        assertThat(x86.directoryFlag()).isEqualTo(0_200_000);
        assertThat(x86.noFollowFlag()).isEqualTo(0_400_000);
    }

    /// Two flags are others than on x86_64, where 0200000 is `O_DIRECTORY` and here `O_DIRECT`.
    @Test
    void knowsTheNumbersOfArm() {
        Architecture arm = Architecture.of("Linux", "aarch64");

        assertThat(arm.getdents64()).isEqualTo(61);
        assertThat(arm.statx()).isEqualTo(291);
        assertThat(arm.directoryFlag()).isEqualTo(0_040_000);
        assertThat(arm.noFollowFlag()).isEqualTo(0_100_000);
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
