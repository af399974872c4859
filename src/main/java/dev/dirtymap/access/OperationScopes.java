package dev.dirtymap.access;

import static dev.dirtymap.access.Scope.DELETE;
import static dev.dirtymap.access.Scope.READ;
import static dev.dirtymap.access.Scope.WRITE;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Which scopes each operation of the contract needs, by its `operationId`: all of a row.
///
/// What some operations need shows in their body only. Of these, `checkImage` with a repair that is no dry run stands
/// as `repair`, and the operations of transactions stand by their `op`.
final class OperationScopes {

    private static final Map<Set<Scope>, List<String>> TABLE =
            Map.of(
                    Set.of(),
                    List.of("getProblemType"),
                    Set.of(READ),
                    List.of(
                            "listImages",
                            "getImage",
                            "listBitmaps",
                            "getBitmap",
                            "getBits",
                            "listExtents",
                            "listImageExtents",
                            "splitBitmap",
                            "getHeatmap"),
                    Set.of(WRITE),
                    List.of(
                            "createImage",
                            "createBitmap",
                            "patchBitmap",
                            "markBitmap",
                            "mergeBitmaps",
                            "copyBitmap",
                            "checkImage",
                            "CREATE",
                            "ENABLE",
                            "DISABLE",
                            "MERGE",
                            "COPY",
                            "RENAME"),
                    Set.of(DELETE),
                    List.of(
                            "clearBitmap",
                            "deleteBitmap",
                            "deleteBitmaps",
                            "repair",
                            "CLEAR",
                            "DELETE"),
                    // Overwrites.
                    Set.of(WRITE, DELETE),
                    List.of("putBits"));

    /// Those that need the one or the other, as their body shows.
    private static final Set<String> BY_BODY =
            Set.of("checkImage", "runTransaction", "runTransactions");

    private static final Map<String, Set<Scope>> SCOPES = new HashMap<>();

    static {
        TABLE.forEach((scopes, operations) -> operations.forEach(id -> SCOPES.put(id, scopes)));
    }

    private OperationScopes() {}

    static Set<Scope> of(String what) {
        Set<Scope> scopes = SCOPES.get(what);
        if (scopes == null) {
            throw new IllegalStateException("nobody has said which scopes " + what + " needs");
        }
        return scopes;
    }

    /// What a caller must have before the body is read: one of these sets.
    static List<Set<Scope>> either(String operation) {
        return BY_BODY.contains(operation)
                ? List.of(Set.of(WRITE), Set.of(DELETE))
                : List.of(of(operation));
    }
}
