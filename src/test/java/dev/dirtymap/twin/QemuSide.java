package dev.dirtymap.twin;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.QemuJudge.LoadedBitmap;
import dev.dirtymap.testimages.Range;
import dev.dirtymap.testimages.StorageDaemon;
import dev.dirtymap.twin.Operation.Source;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// QEMU over the images of one folder: one running storage daemon, which opens an image for each operation and
/// closes it again, so that what is compared is what it stored.
final class QemuSide implements AutoCloseable {

    private static final String NODE = "image";
    private static final String OTHER = "other";
    private static final String HELPER = "helper.qcow2";
    private static final String MARKED = "marked";
    private static final long LONGEST_WRITE = 1L << 30;
    private static final int MOST_COMMANDS = 500;

    private final Path folder;
    private final StorageDaemon daemon;

    QemuSide(Path folder) {
        this.folder = folder;
        this.daemon = StorageDaemon.start(folder);
    }

    /// What QEMU loads, in its order.
    SequencedMap<String, LoadedBitmap> read(String file) {
        daemon.open(NODE, file, true);
        try {
            return daemon.bitmaps(NODE);
        } finally {
            daemon.closeNode(NODE);
        }
    }

    /// Writes as a guest would, so that every enabled bitmap records it.
    void write(String file, List<String> commands) {
        QemuIo.run(folder.resolve(file), commands.toArray(String[]::new));
    }

    /// Does what QEMU has for an operation, which may be several commands in one transaction.
    ///
    /// @param result where the operation replaces the content by a given one: that
    /// @return why QEMU refuses it; empty if it is done
    String apply(String file, Operation operation, @Nullable Content result) {
        return switch (operation) {
            case Operation.Create(String bitmap, Long granularity, boolean enabled, var _) ->
                    on(file, List.of(add(bitmap, granularity, enabled)));
            case Operation.Delete(String bitmap) -> on(file, List.of(action("remove", bitmap)));
            case Operation.DeleteAll(String state) -> deleteAll(file, state);
            case Operation.Clear(String bitmap, var _) ->
                    on(file, List.of(action("clear", bitmap)));
            case Operation.Enable(String bitmap, boolean enabled) ->
                    on(file, List.of(action(enabled ? "enable" : "disable", bitmap)));
            case Operation.Rename(String bitmap, String name) -> rename(file, bitmap, name);
            case Operation.Refer _ -> "";
            case Operation.Merge(String bitmap, List<Source> sources) ->
                    merge(file, bitmap, sources);
            case Operation.Copy copy -> copy(file, copy);
            case Operation.Mark(String bitmap, List<Range> ranges, boolean dirty) ->
                    replace(file, bitmap, dirty ? ranges : null, result);
            case Operation.Replace(String bitmap, var _) -> replace(file, bitmap, null, result);
            case Operation.Transaction(List<Operation> operations) -> {
                String refusal = "";
                for (Operation one : operations) {
                    if (!refusal.isEmpty()) {
                        throw new AssertionError("refused too early: " + refusal);
                    }
                    refusal = apply(file, one, null);
                }
                yield refusal;
            }
        };
    }

    /// The content that a bitmap is to have.
    ///
    /// @param granularity in bytes
    record Content(long granularity, long virtualSize, List<Range> dirty) {}

    private String on(String file, List<ObjectNode> actions) {
        daemon.open(NODE, file, false);
        try {
            return run(actions);
        } finally {
            daemon.closeNode(NODE);
        }
    }

    private String run(List<ObjectNode> actions) {
        if (actions.size() == 1) {
            // QEMU 7.2 dies of some transactions whose first action is refused.
            ObjectNode only = actions.getFirst();
            return refusal(daemon.tryExecute(only.get("type").asString(), only.get("data")));
        }
        ObjectNode arguments = StorageDaemon.arguments();
        ArrayNode list = arguments.putArray("actions");
        actions.forEach(list::add);
        return refusal(daemon.tryExecute("transaction", arguments));
    }

    private static String refusal(JsonNode reply) {
        return reply.has("return") ? "" : reply.at("/error/desc").asString();
    }

    private static ObjectNode action(String verb, String bitmap) {
        ObjectNode action = StorageDaemon.arguments().put("type", "block-dirty-bitmap-" + verb);
        action.putObject("data").put("node", NODE).put("name", bitmap);
        return action;
    }

    private static ObjectNode add(String bitmap, @Nullable Long granularity, boolean enabled) {
        ObjectNode action = action("add", bitmap);
        ObjectNode data = (ObjectNode) action.get("data");
        data.put("persistent", true).put("disabled", !enabled);
        if (granularity != null) {
            data.put("granularity", granularity);
        }
        return action;
    }

    /// @param sources with nodes in place of files
    private static ObjectNode mergeAction(String bitmap, List<Source> sources) {
        ObjectNode action = StorageDaemon.arguments().put("type", "block-dirty-bitmap-merge");
        ArrayNode list =
                action.putObject("data")
                        .put("node", NODE)
                        .put("target", bitmap)
                        .putArray("bitmaps");
        for (Source source : sources) {
            list.addObject().put("node", source.image()).put("name", source.bitmap());
        }
        return action;
    }

    private String deleteAll(String file, String state) {
        List<ObjectNode> actions = new ArrayList<>();
        read(file)
                .forEach((name, bitmap) -> {
                    if (state.equals("ALL")
                            || bitmap.inconsistent() == state.equals("INCONSISTENT")) {
                        actions.add(action("remove", name));
                    }
                });
        return on(file, actions);
    }

    private String rename(String file, String bitmap, String name) {
        LoadedBitmap old = read(file).get(bitmap);
        if (old == null) {
            return on(file, List.of(action("clear", bitmap)));
        }
        if (bitmap.equals(name)) {
            return "";
        }
        return on(
                file,
                List.of(
                        add(name, old.granularity(), old.enabled()),
                        mergeAction(name, List.of(new Source(NODE, bitmap))),
                        action("remove", bitmap)));
    }

    private String merge(String file, String bitmap, List<Source> sources) {
        return withOther(
                file,
                sources.stream()
                        .map(Source::image)
                        .filter(image -> !image.equals(file))
                        .findFirst()
                        .orElse(null),
                List.of(
                        mergeAction(
                                bitmap,
                                sources.stream()
                                        .map(source ->
                                                new Source(
                                                        source.image().equals(file) ? NODE : OTHER,
                                                        source.bitmap()))
                                        .toList())));
    }

    private String copy(String file, Operation.Copy copy) {
        LoadedBitmap old = read(file).get(copy.bitmap());
        boolean same = copy.image().equals(file);
        return withOther(
                copy.image(),
                same ? null : file,
                List.of(
                        add(
                                copy.name(),
                                copy.granularity() != null
                                        ? copy.granularity()
                                        : old == null ? Long.valueOf(65536) : old.granularity(),
                                copy.enabled() != null
                                        ? copy.enabled()
                                        : old == null || old.enabled()),
                        mergeAction(
                                copy.name(),
                                List.of(new Source(same ? NODE : OTHER, copy.bitmap())))));
    }

    private String withOther(String file, @Nullable String other, List<ObjectNode> actions) {
        if (other == null) {
            return on(file, actions);
        }
        daemon.open(OTHER, other, true);
        try {
            return on(file, actions);
        } finally {
            daemon.closeNode(OTHER);
        }
    }

    /// QEMU can neither set nor clear bits on demand. So a guest writes to a helper image whose bitmap records that,
    /// and this one is merged.
    ///
    /// @param ranges to be added; null to have the result and nothing else
    private String replace(
            String file, String bitmap, @Nullable List<Range> ranges, @Nullable Content result) {
        if (result == null) {
            return on(file, List.of(action("clear", bitmap)));
        }
        new QemuImg(folder).create(HELPER, Long.toString(result.virtualSize));
        daemon.open(OTHER, HELPER, false);
        daemon.addBitmap(OTHER, MARKED, result.granularity, true);
        daemon.closeNode(OTHER);
        List<String> commands = new ArrayList<>();
        for (Range range : ranges == null ? result.dirty : ranges) {
            for (long at = range.offset(); at < range.end(); at += LONGEST_WRITE) {
                commands.add(
                        "write -z %d %d".formatted(at, Math.min(LONGEST_WRITE, range.end() - at)));
            }
        }
        for (int i = 0; i < commands.size(); i += MOST_COMMANDS) {
            write(HELPER, commands.subList(i, Math.min(commands.size(), i + MOST_COMMANDS)));
        }
        List<ObjectNode> actions = new ArrayList<>();
        if (ranges == null) {
            actions.add(action("clear", bitmap));
        }
        actions.add(mergeAction(bitmap, List.of(new Source(OTHER, MARKED))));
        return withOther(file, HELPER, actions);
    }

    /// Bitmap names in bytes, for programs that take these.
    static byte[] bytes(String name) {
        return name.getBytes(UTF_8);
    }

    @Override
    public void close() {
        daemon.close();
    }
}
