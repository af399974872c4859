package dev.dirtymap.qcow2;

import java.nio.ByteBuffer;

/// One refcount block in memory (format text, "Refcount block"): entries of 1 to 64 bits. Those of 8 bits and
/// more are big-endian integers; narrower ones are packed from the least significant bit of each byte.
final class RefcountBlock {

    private final int order;
    private final ByteBuffer bytes;

    /// Eight bytes of entries that are all 1.
    private final long lowest;

    /// @param order log2 of the bits of one entry
    /// @param block as many bytes as a cluster has; changes go there
    RefcountBlock(int order, byte[] block) {
        this.order = order;
        this.bytes = ByteBuffer.wrap(block);
        this.lowest = order == 6 ? 1 : Long.divideUnsigned(-1, (1L << (1 << order)) - 1);
    }

    /// How many entries a block has.
    static int entries(Header header) {
        return 1 << perBlockBits(header);
    }

    /// log2 of the entries of a block.
    static int perBlockBits(Header header) {
        return header.clusterBits() + 3 - header.refcountOrder();
    }

    byte[] bytes() {
        return bytes.array();
    }

    /// One refcount, unsigned.
    long get(int entry) {
        return switch (order) {
            case 0, 1, 2 -> (bytes.get(byteOf(entry)) >>> shift(entry)) & mask();
            case 3 -> bytes.get(entry) & 0xff;
            case 4 -> bytes.getShort(entry * 2) & 0xffff;
            case 5 -> Integer.toUnsignedLong(bytes.getInt(entry * 4));
            default -> bytes.getLong(entry * 8);
        };
    }

    void set(int entry, long refcount) {
        switch (order) {
            case 0, 1, 2 -> {
                int at = byteOf(entry);
                int others = bytes.get(at) & ~(mask() << shift(entry));
                bytes.put(at, (byte) (others | ((int) refcount << shift(entry))));
            }
            case 3 -> bytes.put(entry, (byte) refcount);
            case 4 -> bytes.putShort(entry * 2, (short) refcount);
            case 5 -> bytes.putInt(entry * 4, (int) refcount);
            default -> bytes.putLong(entry * 8, refcount);
        }
    }

    /// The first entry from `from` on that is 0; the number of entries if there is none.
    int nextZero(int from) {
        int count = (bytes.capacity() * 8) >>> order;
        int perWord = 64 >>> order;
        int at = from;
        while (at < count) {
            if (at % perWord == 0 && !hasZero(bytes.getLong(at / perWord * Long.BYTES))) {
                at += perWord;
            } else if (get(at) == 0) {
                return at;
            } else {
                at++;
            }
        }
        return count;
    }

    /// Whether one of the entries in eight bytes is 0: the borrow out of an entry shows it.
    private boolean hasZero(long word) {
        if (order == 6) {
            return word == 0;
        }
        if (order == 0) {
            return word != -1;
        }
        return ((word - lowest) & ~word & (lowest << ((1 << order) - 1))) != 0;
    }

    /// Where the bytes of an entry start within the block.
    int byteOf(int entry) {
        return (int) (((long) entry << order) >>> 3);
    }

    private int shift(int entry) {
        return (entry << order) & 7;
    }

    private int mask() {
        return (1 << (1 << order)) - 1;
    }
}
