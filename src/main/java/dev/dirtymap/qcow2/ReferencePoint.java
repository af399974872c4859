package dev.dirtymap.qcow2;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// What a bitmap is relative to, as management said: which backup holds the state in which all was clean.
///
/// @param lastBackup that backup: a path, a URL, any string
/// @param baseBackup the backup that it builds on
/// @param setAt when this was said, to the millisecond
public record ReferencePoint(
        @Nullable String lastBackup,
        @Nullable String baseBackup,
        @Nullable String note,
        Instant setAt) {}
