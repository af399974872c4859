package dev.dirtymap.access;

import dev.dirtymap.images.ConfigurationException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The file of named tokens, one a line, read again when it has changed. An edit that breaks it changes nothing but
/// the log and the health: the tokens stay those of before.
final class TokenFile implements Credentials {

    private static final Logger LOG = LoggerFactory.getLogger(TokenFile.class);

    /// A change this soon after another may not show in the times of the file.
    private static final Duration SETTLE = Duration.ofSeconds(2);

    private final Path path;
    private volatile State state;

    /// Tells one state of the file from another.
    private record Version(@Nullable Object identity, FileTime changed, long size) {

        static Version of(Path path) throws IOException {
            BasicFileAttributes now = Files.readAttributes(path, BasicFileAttributes.class);
            return new Version(now.fileKey(), now.lastModifiedTime(), now.size());
        }
    }

    /// What was read last.
    ///
    /// @param version null if it must be read again whatever it is
    /// @param wrong why the tokens are not those that the file has now; null if they are
    private record State(
            @Nullable Version version, List<NamedToken> tokens, @Nullable String wrong) {}

    /// Reads the file.
    ///
    /// @throws ConfigurationException if it cannot be used
    TokenFile(Path path) {
        this.path = path;
        this.state = read(List.of());
        if (state.wrong != null) {
            throw new ConfigurationException(
                    "dirtymap.auth.tokens: %s.".formatted(state.wrong),
                    "Set dirtymap.auth.tokens (DIRTYMAP_AUTH_TOKENS) to a file with one token a line, each made by"
                            + " 'java -jar dirtymap.jar token --name NAME --scope bitmaps:read'.");
        }
        warnIfOthersMayRead();
    }

    @Override
    public Caller whose(String token) {
        byte[] hash = NamedToken.sha256(token);
        NamedToken found = null;
        // All of them, each in constant time: how long it takes says nothing.
        for (NamedToken known : current().tokens) {
            if (MessageDigest.isEqual(known.sha256(), hash)) {
                found = known;
            }
        }
        if (found == null) {
            throw new UnauthenticatedException("the token is not known");
        }
        Instant expires = found.expires();
        if (expires != null && !Instant.now().isBefore(expires)) {
            throw new UnauthenticatedException(
                    "the token '%s' expired at %s".formatted(found.caller().name(), expires));
        }
        return found.caller();
    }

    /// Why the tokens are not those that the file has now; null if they are.
    @Nullable String wrong() {
        return current().wrong;
    }

    private State current() {
        State known = state;
        return isCurrent(known) ? known : readAgain();
    }

    private boolean isCurrent(State known) {
        try {
            return known.version != null && known.version.equals(Version.of(path));
        } catch (IOException e) {
            return false;
        }
    }

    private synchronized State readAgain() {
        State before = state;
        if (isCurrent(before)) {
            return before;
        }
        State now = read(before.tokens);
        if (now.wrong != null && !now.wrong.equals(before.wrong)) {
            LOG.error("the tokens stay as they were: {}", now.wrong);
        } else if (now.wrong == null && !sameTokens(now.tokens, before.tokens)) {
            LOG.info("{} has {} tokens now", path, now.tokens.size());
        }
        state = now;
        return now;
    }

    private static boolean sameTokens(List<NamedToken> some, List<NamedToken> others) {
        return Arrays.equals(
                some.stream().map(NamedToken::caller).toArray(),
                others.stream().map(NamedToken::caller).toArray());
    }

    private State read(List<NamedToken> before) {
        try {
            // The version from before the reading: a change meanwhile shows the next time.
            Version version = Version.of(path);
            boolean settled = version.changed.toInstant().plus(SETTLE).isBefore(Instant.now());
            Version trusted = settled ? version : null;
            try {
                return new State(trusted, parse(Files.readAllLines(path)), null);
            } catch (IllegalArgumentException e) {
                return new State(trusted, before, path + " " + e.getMessage());
            }
        } catch (NoSuchFileException e) {
            return new State(null, before, path + " does not exist");
        } catch (CharacterCodingException e) {
            return new State(null, before, path + " is not UTF-8");
        } catch (IOException e) {
            return new State(null, before, "%s cannot be read: %s".formatted(path, e));
        }
    }

    private static List<NamedToken> parse(List<String> lines) {
        List<NamedToken> tokens = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i).strip();
            if (line.isEmpty() || line.startsWith("#")) {
                continue;
            }
            try {
                NamedToken token = NamedToken.parse(line);
                if (!names.add(token.caller().name())) {
                    throw new IllegalArgumentException("the name is given a second time");
                }
                tokens.add(token);
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(
                        "is no list of tokens: line %d: %s".formatted(i + 1, e.getMessage()), e);
            }
        }
        return tokens;
    }

    private void warnIfOthersMayRead() {
        try {
            if (Files.getPosixFilePermissions(path).contains(PosixFilePermission.OTHERS_READ)) {
                LOG.warn(
                        "{} can be read by every user; it has no secrets, but the names of callers",
                        path);
            }
        } catch (IOException | UnsupportedOperationException e) {
            LOG.debug("the permissions of {} cannot be told", path, e);
        }
    }
}
