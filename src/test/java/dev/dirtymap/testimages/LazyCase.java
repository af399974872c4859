package dev.dirtymap.testimages;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A case of the corpus that is built when a test asks for it, so that an image which cannot be built fails that test
/// alone.
public final class LazyCase {

    private final String name;
    private final String note;
    private final Consumer<Draft> recipe;
    private @Nullable Case built;

    LazyCase(String name, String note, Consumer<Draft> recipe) {
        this.name = name;
        this.note = note;
        this.recipe = recipe;
    }

    public String name() {
        return name;
    }

    /// The case in the JVM's own corpus folder, built at the first call. Not to be changed.
    public Case get() {
        return get(ImageCorpus::folder);
    }

    private synchronized Case get(Supplier<Path> corpus) {
        Case existing = built;
        if (existing == null) {
            existing = buildIn(corpus.get());
            built = existing;
        }
        return existing;
    }

    /// Builds the case anew, in a folder of its name below the given one.
    public Case buildIn(Path parent) {
        try {
            var draft = new Draft(name, Files.createDirectory(parent.resolve(name)));
            recipe.accept(draft);
            return new Case(name, draft.image(), draft.bitmaps(), note);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
