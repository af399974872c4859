package dev.dirtymap.access;

import java.io.PrintStream;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// `java -jar dirtymap.jar token`: makes a token, and the line that lets it in.
public final class TokenCommand {

    private static final String USAGE =
            """
            Makes a token, and the line for the file that dirtymap.auth.tokens names.

            java -jar dirtymap.jar token --name NAME --scope SCOPE [--scope SCOPE] [--prefix PREFIX] [--expires DAY]

              --name     who uses it: shown in the log
              --scope    bitmaps:read, bitmaps:write or bitmaps:delete; may be repeated
              --prefix   only images whose names begin with this, as in vm1/ (without the slash vm10/ does too);
                         may be repeated; without it all images
              --expires  the day, or the instant, at which it ends: 2027-01-01, 2027-01-01T12:00:00Z

            The line goes to standard output, the token to standard error, this once:
            java -jar dirtymap.jar token … >> tokens.jsonl
            """;

    private static final int TOKEN_BYTES = 32;

    private TokenCommand() {}

    /// Runs the command.
    ///
    /// @param arguments those after `token`
    /// @return the exit code
    public static int run(List<String> arguments, PrintStream out, PrintStream err) {
        if (arguments.isEmpty() || arguments.contains("--help")) {
            err.print(USAGE);
            return arguments.isEmpty() ? 2 : 0;
        }
        byte[] random = new byte[TOKEN_BYTES];
        new SecureRandom().nextBytes(random);
        String token = "dmt_" + Base64.getUrlEncoder().withoutPadding().encodeToString(random);
        try {
            NamedToken.Line line = line(arguments, token);
            NamedToken.of(line);
            out.println(line.json());
        } catch (IllegalArgumentException e) {
            err.println(e.getMessage());
            err.println();
            err.print(USAGE);
            return 2;
        }
        err.println("The token, shown this once: " + token);
        return 0;
    }

    private static NamedToken.Line line(List<String> arguments, String token) {
        @Nullable String name = null;
        @Nullable String expires = null;
        List<String> scopes = new ArrayList<>();
        List<String> prefixes = new ArrayList<>();
        Iterator<String> words = arguments.iterator();
        while (words.hasNext()) {
            String option = words.next();
            if (!words.hasNext()) {
                throw new IllegalArgumentException(option + " has no value");
            }
            String value = words.next();
            switch (option) {
                case "--name" -> name = value;
                case "--scope" -> scopes.add(value);
                case "--prefix" -> prefixes.add(value);
                case "--expires" -> expires = value;
                default -> throw new IllegalArgumentException(option + " is no option");
            }
        }
        return new NamedToken.Line(
                name,
                HexFormat.of().formatHex(NamedToken.sha256(token)),
                scopes,
                prefixes.isEmpty() ? null : prefixes,
                expires);
    }
}
