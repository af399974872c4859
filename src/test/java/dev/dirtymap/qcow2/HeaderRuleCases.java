package dev.dirtymap.qcow2;

import static dev.dirtymap.qcow2.RuleCase.prepend;
import static dev.dirtymap.qcow2.RuleCase.remove;

import dev.dirtymap.qcow2.RuleCase.Base;
import dev.dirtymap.testimages.ImageBytes;
import java.util.List;

/// Images that cannot be read as a whole: broken headers, header extensions and snapshot tables.
final class HeaderRuleCases {

    private static final int LUKS_EXTENSION = 0x0537be77;
    private static final long FAR = 1L << 30;

    private HeaderRuleCases() {}

    static final List<RuleCase> ALL =
            List.of(
                    plain(
                            Rule.FILE_TOO_SHORT,
                            b -> {
                                b.truncate(4);
                                return "header: file length at file offset 0 is 4; it must be at least 60 bytes, or 104 in version 3";
                            }),
                    plain(
                            Rule.FILE_TOO_SHORT,
                            b -> {
                                b.truncate(103);
                                return "header: file length at file offset 0 is 103; it must be at least 60 bytes, or 104 in version 3";
                            }),
                    plain(
                            Rule.FILE_TOO_SHORT,
                            b -> {
                                b.u32(4, 2).truncate(59);
                                return "header: file length at file offset 0 is 59; it must be at least 60 bytes, or 104 in version 3";
                            }),
                    plain(
                            Rule.HEADER_TRUNCATED,
                            b -> {
                                b.u32(4, 2).truncate(60);
                                return "header: file length at file offset 0 is 60; it must be at least the whole header";
                            }),
                    plain(
                            Rule.HEADER_TRUNCATED,
                            b -> {
                                b.truncate(108);
                                return "header: file length at file offset 0 is 108; it must be at least the whole header";
                            }),
                    plain(
                            Rule.VERSION,
                            b -> {
                                b.u32(4, 4);
                                return "header: version at file offset 4 is 4; it must be 2 or 3";
                            }),
                    plain(
                            Rule.CLUSTER_BITS,
                            b -> {
                                b.u32(20, 8);
                                return "header: cluster_bits at file offset 20 is 8; it must be 9 to 21";
                            }),
                    plain(
                            Rule.CLUSTER_BITS,
                            b -> {
                                b.u32(20, 22);
                                return "header: cluster_bits at file offset 20 is 22; it must be 9 to 21";
                            }),
                    plain(
                            Rule.HEADER_LENGTH,
                            b -> {
                                b.u32(100, 103);
                                return "header: header_length at file offset 100 is 103; it must be at least 104 and at most the cluster size";
                            }),
                    plain(
                            Rule.HEADER_LENGTH,
                            b -> {
                                b.u32(100, 65537);
                                return "header: header_length at file offset 100 is 65537; it must be at least 104 and at most the cluster size";
                            }),
                    plain(
                            Rule.BACKING_FILE_OFFSET,
                            b -> {
                                b.u64(8, 65537);
                                return "header: backing_file_offset at file offset 8 is 65537; it must be at most the cluster size";
                            }),
                    plain(
                            Rule.BACKING_FILE_OFFSET,
                            b -> {
                                b.u64(8, -1);
                                return "header: backing_file_offset at file offset 8 is 18446744073709551615; it must be at most the cluster size";
                            }),
                    plain(
                            Rule.BACKING_FILE_SIZE,
                            b -> {
                                b.u64(8, 64536).u32(16, 1001);
                                return "header: backing_file_size at file offset 16 is 1001; it must be at most 1023 and end within the first cluster";
                            }),
                    plain(
                            Rule.BACKING_FILE_SIZE,
                            b -> {
                                b.u64(8, 32768).u32(16, 1024);
                                return "header: backing_file_size at file offset 16 is 1024; it must be at most 1023 and end within the first cluster";
                            }),
                    plain(
                            Rule.INCOMPATIBLE_FEATURES,
                            b -> {
                                b.setBits64(72, 1 << 5);
                                return "header: incompatible_features at file offset 72 is 0x20; it must be a set of the known bits 0 to 4, since an unknown one may change the meaning of anything";
                            }),
                    plain(
                            Rule.INCOMPATIBLE_FEATURES,
                            b -> {
                                b.setBits64(72, Long.MIN_VALUE | 1);
                                return "header: incompatible_features at file offset 72 is 0x8000000000000001; it must be a set of the known bits 0 to 4, since an unknown one may change the meaning of anything";
                            }),
                    RuleCase.of(
                            Rule.EXTENDED_L2_CLUSTER_BITS,
                            Base.SMALL_CLUSTERS,
                            b -> {
                                b.setBits64(72, 1 << 4);
                                return "header: cluster_bits at file offset 20 is 13; it must be at least 14 with extended L2 entries";
                            }),
                    plain(
                            Rule.REFCOUNT_ORDER,
                            b -> {
                                b.u32(96, 7);
                                return "header: refcount_order at file offset 96 is 7; it must be 0 to 6";
                            }),
                    plain(
                            Rule.CRYPT_METHOD,
                            b -> {
                                b.u32(32, 3);
                                return "header: crypt_method at file offset 32 is 3; it must be 0 (none), 1 (AES) or 2 (LUKS)";
                            }),
                    plain(
                            Rule.COMPRESSION_TYPE,
                            b -> {
                                b.u8(104, 2).setBits64(72, 1 << 3);
                                return "header: compression_type at file offset 104 is 2; it must be 0 (deflate) or 1 (zstd)";
                            }),
                    plain(
                            Rule.COMPRESSION_BIT,
                            b -> {
                                b.u8(104, 1);
                                return "header: incompatible_features at file offset 72 is 0x0; it must be with bit 3 set if and only if compression_type is not 0";
                            }),
                    plain(
                            Rule.COMPRESSION_BIT,
                            b -> {
                                b.setBits64(72, 1 << 3);
                                return "header: incompatible_features at file offset 72 is 0x8; it must be with bit 3 set if and only if compression_type is not 0";
                            }),
                    plain(
                            Rule.REFCOUNT_TABLE_CLUSTERS,
                            b -> {
                                b.u32(56, 0);
                                return "header: refcount_table_clusters at file offset 56 is 0; it must be 1 or more, with a table of at most 8 MiB";
                            }),
                    plain(
                            Rule.REFCOUNT_TABLE_CLUSTERS,
                            b -> {
                                b.u32(56, 129);
                                return "header: refcount_table_clusters at file offset 56 is 129; it must be 1 or more, with a table of at most 8 MiB";
                            }),
                    plain(
                            Rule.REFCOUNT_TABLE_OFFSET,
                            b -> {
                                b.u64(48, 66048);
                                return "header: refcount_table_offset at file offset 48 is 66048; it must be a multiple of the cluster size and less than 2^63 - 2^30";
                            }),
                    plain(
                            Rule.SNAPSHOT_COUNT,
                            b -> {
                                b.u32(60, 65537);
                                return "header: nb_snapshots at file offset 60 is 65537; it must be at most 65536";
                            }),
                    plain(
                            Rule.SNAPSHOTS_OFFSET,
                            b -> {
                                b.u64(64, 512);
                                return "header: snapshots_offset at file offset 64 is 512; it must be a multiple of the cluster size and less than 2^63 - 2^30";
                            }),
                    plain(
                            Rule.L1_SIZE,
                            b -> {
                                b.u32(36, 4194305);
                                return "header: l1_size at file offset 36 is 4194305; it must be at most 4194304 entries (32 MiB)";
                            }),
                    plain(
                            Rule.L1_COVERS_SIZE,
                            b -> {
                                b.u32(36, 0);
                                return "header: l1_size at file offset 36 is 0; it must be enough to cover the virtual size (here 1 entries for 1048576 bytes)";
                            }),
                    plain(
                            Rule.L1_COVERS_SIZE,
                            b -> {
                                b.u64(24, (1L << 29) + 1);
                                return "header: l1_size at file offset 36 is 1; it must be enough to cover the virtual size (here 2 entries for 536870913 bytes)";
                            }),
                    plain(
                            Rule.L1_TABLE_OFFSET,
                            b -> {
                                b.u64(40, -65536);
                                return "header: l1_table_offset at file offset 40 is 18446744073709486080; it must be a multiple of the cluster size and less than 2^63 - 2^30";
                            }),
                    plain(
                            Rule.L1_TABLE_OFFSET,
                            b -> {
                                b.u64(40, 512);
                                return "header: l1_table_offset at file offset 40 is 512; it must be a multiple of the cluster size and less than 2^63 - 2^30";
                            }),
                    plain(
                            Rule.L1_TABLE_OFFSET,
                            b -> {
                                b.u64(40, (1L << 63) - (1L << 30));
                                return "header: l1_table_offset at file offset 40 is 9223372035781033984; it must be a multiple of the cluster size and less than 2^63 - 2^30";
                            }),
                    plain(
                            Rule.VIRTUAL_SIZE,
                            b -> {
                                b.u64(24, Long.MIN_VALUE);
                                return "header: size at file offset 24 is 9223372036854775808; it must be less than 2^63 bytes";
                            }),
                    plain(
                            Rule.RAW_DATA_FILE,
                            b -> {
                                b.setBits64(88, 2);
                                return "header: autoclear_features at file offset 88 is 0x3; it must be without bit 1 (raw external data) unless incompatible bit 2 (data file) is set";
                            }),
                    plain(
                            Rule.EXTENSION_LENGTH,
                            b -> {
                                b.u32(116, 0xffffffffL);
                                return "header extension: length at file offset 116 is 4294967295; it must be small enough to end before the backing file name or the end of the first cluster (here at most 65416 bytes are left)";
                            }),
                    plain(
                            Rule.BACKING_FORMAT_LENGTH,
                            b -> {
                                long at =
                                        prepend(
                                                b,
                                                ImageBytes.BACKING_FORMAT_EXTENSION,
                                                "x".repeat(16));
                                return "backing format extension: length at file offset %d is 16; it must be less than 16"
                                        .formatted(at - 4);
                            }),
                    plain(
                            Rule.LUKS_EXTENSION_UNEXPECTED,
                            b -> {
                                long at = prepend(b, LUKS_EXTENSION, "\0".repeat(16));
                                return "LUKS header extension: id at file offset %d is 0x537be77; it must be absent unless crypt_method is 2"
                                        .formatted(at - 8);
                            }),
                    RuleCase.of(
                            Rule.LUKS_EXTENSION_LENGTH,
                            Base.LUKS,
                            b -> {
                                long at = prepend(b, LUKS_EXTENSION, "\0".repeat(24));
                                return "LUKS header extension: length at file offset %d is 24; it must be 16"
                                        .formatted(at - 4);
                            }),
                    RuleCase.of(
                            Rule.LUKS_OFFSET,
                            Base.LUKS,
                            b -> {
                                long at =
                                        prepend(
                                                b,
                                                LUKS_EXTENSION,
                                                "\0\0\0\0\0\1\2\0" + "\0".repeat(8));
                                return "LUKS header extension: offset at file offset %d is 66048; it must be a multiple of the cluster size"
                                        .formatted(at);
                            }),
                    RuleCase.of(
                            Rule.LUKS_EXTENSION_MISSING,
                            Base.LUKS,
                            b -> {
                                remove(b, LUKS_EXTENSION);
                                return "header: crypt_method at file offset 32 is 2; it must be accompanied by a LUKS header extension when it is 2";
                            }),
                    plain(
                            Rule.SNAPSHOT_PAST_END,
                            b -> {
                                b.u32(60, 1).u64(64, FAR);
                                return "snapshot table: end of the entry at file offset %d is %d; it must be within the file (the file has %d bytes)"
                                        .formatted(FAR, FAR + 40, b.length());
                            }),
                    RuleCase.of(
                            Rule.SNAPSHOT_EXTRA_DATA,
                            Base.SNAPSHOT,
                            b -> {
                                long at = b.u64(64) + 36;
                                b.u32(at, 1025);
                                return "snapshot table: extra_data_size at file offset %d is 1025; it must be at most 1024 bytes"
                                        .formatted(at);
                            }),
                    plain(
                            Rule.SNAPSHOT_TABLE_SIZE,
                            b -> {
                                // 512 entries with an id and a name of 65535 bytes each, in a
                                // sparse file.
                                int entry = 40 + 65535 * 2 + 2;
                                b.u32(60, 512).u64(64, FAR);
                                for (int i = 0; i < 512; i++) {
                                    b.u32(FAR + (long) i * entry + 12, 0xffffffffL);
                                }
                                b.truncate(FAR + 512L * entry);
                                return "snapshot table: size at file offset %d is %d; it must be at most 64 MiB"
                                        .formatted(FAR, 512L * entry);
                            }));

    private static RuleCase plain(Rule rule, RuleCase.Damage damage) {
        return RuleCase.of(rule, Base.PLAIN, damage);
    }
}
