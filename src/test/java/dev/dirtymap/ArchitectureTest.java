package dev.dirtymap;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import dev.dirtymap.images.Images;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// The arrows between packages and the names they may use: `http` → `access` → `images` → `qcow2`, `images` → `posix`,
/// and `http` → `images`.
class ArchitectureTest {

    private static final Path MAIN = Path.of("src/main/java");

    private static final JavaClasses CLASSES =
            new ClassFileImporter()
                    .withImportOption(new ImportOption.DoNotIncludeTests())
                    .importPackages("dev.dirtymap");

    @Test
    void qcow2KnowsNothingButJava() {
        classes()
                .that()
                .resideInAPackage("dev.dirtymap.qcow2")
                .should()
                .onlyDependOnClassesThat(
                        resideInAnyPackage("java..", "org.jspecify..", "dev.dirtymap.qcow2"))
                .because("the format must stay usable without Spring, locks or HTTP")
                .check(CLASSES);
    }

    @Test
    void posixKnowsNothingButJava() {
        classes()
                .that()
                .resideInAPackage("dev.dirtymap.posix")
                .should()
                .onlyDependOnClassesThat(
                        resideInAnyPackage("java..", "org.jspecify..", "dev.dirtymap.posix"))
                .because("system calls know nothing of images")
                .check(CLASSES);
    }

    @Test
    void imagesKnowNothingOfHttp() {
        noClasses()
                .that()
                .resideInAPackage("dev.dirtymap.images")
                .should()
                .dependOnClassesThat(
                        resideInAnyPackage(
                                "dev.dirtymap.http",
                                "dev.dirtymap.access",
                                "org.springframework.web..",
                                "org.springframework.http..",
                                "tools.jackson..",
                                "com.fasterxml.jackson..",
                                "jakarta.servlet.."))
                .because("locked images are not messages")
                .check(CLASSES);
    }

    @Test
    void httpOpensNoFilesAndTakesNoLocks() {
        noClasses()
                .that()
                .resideInAPackage("dev.dirtymap.http")
                .should()
                .dependOnClassesThat(
                        resideInAnyPackage("dev.dirtymap.posix", "java.nio.channels..")
                                .or(isOneOf("java.nio.file.Files", "java.io.File")))
                .because("images are only reached through dev.dirtymap.images, which locks them")
                .check(CLASSES);
    }

    @Test
    void accessKnowsNamesAndNoContents() {
        noClasses()
                .that()
                .resideInAPackage("dev.dirtymap.access")
                .should()
                .dependOnClassesThat(
                        resideInAnyPackage(
                                "dev.dirtymap.http", "dev.dirtymap.qcow2", "dev.dirtymap.posix"))
                .because("who may come in is decided before anything is looked at")
                .check(CLASSES);
    }

    @Test
    void credentialsStayInAccess() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.dirtymap.access")
                .should()
                .dependOnClassesThat(resideInAPackage("org.springframework.security.."))
                .because("one package decides who calls and what he may do")
                .check(CLASSES);
    }

    @Test
    void everyChangeIsAudited() {
        noClasses()
                .that()
                .resideInAPackage("dev.dirtymap.http")
                .and()
                .doNotHaveSimpleName("BitmapChanges")
                .should()
                .callMethod(
                        Images.class,
                        "change",
                        Collection.class,
                        Collection.class,
                        Images.Operations.class,
                        Images.Answer.class)
                .because("BitmapChanges tells the audit log of each change")
                .check(CLASSES);
    }

    private static DescribedPredicate<JavaClass> isOneOf(String... names) {
        return DescribedPredicate.describe(
                "is one of " + List.of(names), type -> List.of(names).contains(type.getName()));
    }

    @Test
    void nobodyKnowsTheApplication() {
        noClasses()
                .that()
                .resideInAnyPackage("dev.dirtymap.*")
                .should()
                .dependOnClassesThat(resideInAPackage("dev.dirtymap"))
                .because("arrows point downwards")
                .check(CLASSES);
    }

    @Test
    void nativeCallsStayInPosix() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.dirtymap.posix")
                .should()
                .dependOnClassesThat(resideInAPackage("java.lang.foreign.."))
                .because("one package holds what the JDK has not")
                .check(CLASSES);
    }

    @Test
    void packagesHaveNoCycles() {
        slices().matching("dev.dirtymap.(*)..").should().beFreeOfCycles().check(CLASSES);
    }

    @Test
    void namesSayWhatThingsAre() {
        noClasses()
                .should()
                .haveNameMatching(".*(Impl|Utils?|Helper|Manager|Common|Service|Dto|Mapper)")
                .because("such names say nothing about what a class is")
                .check(CLASSES);
    }

    @Test
    void everyPackageIsDocumentedAndNullMarked() throws IOException {
        try (Stream<Path> files = Files.walk(MAIN)) {
            List<Path> packages =
                    files.filter(file -> file.toString().endsWith(".java"))
                            .map(Path::getParent)
                            .distinct()
                            .toList();
            assertThat(packages).hasSizeGreaterThan(4);
            for (Path folder : packages) {
                assertThat(folder.resolve("package-info.java"))
                        .content()
                        .startsWith("///")
                        .contains("@NullMarked");
            }
        }
    }

    @Test
    void filesStayShort() throws IOException {
        try (Stream<Path> files = Files.walk(MAIN)) {
            for (Path file : files.filter(f -> f.toString().endsWith(".java")).toList()) {
                assertThat(Files.readAllLines(file)).as("%s", file).hasSizeLessThan(400);
            }
        }
    }
}
