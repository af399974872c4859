package dev.dirtymap.posix;

/// What one `fstat` told about a file. Device and inode together are its identity while it is open.
///
/// @param device the number of the file system as `stat -c %d` prints it
/// @param inode the number of the file on that file system
/// @param size in bytes
/// @param allocatedBytes what the file takes on the disk, in bytes; less than `size` where it has
///     holes
/// @param modifiedNanos last change of the content, in nanoseconds since the epoch (UTC)
/// @param changedNanos last change of content or attributes, in nanoseconds since the epoch (UTC);
///     no program can set it
/// @param bornNanos when the file was made, in nanoseconds since the epoch (UTC); 0 where the file
///     system does not know it
public record FileStat(
        long device,
        long inode,
        long size,
        long allocatedBytes,
        long modifiedNanos,
        long changedNanos,
        long bornNanos) {}
