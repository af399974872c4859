package dev.dirtymap.bench;

import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.List;

/// The page that a run leaves.
final class Report {

    private Report() {}

    /// @param machine what it ran on
    /// @param growth the numbers behind the plots
    /// @param minutes that all took
    static String markdown(
            Bench bench, String machine, List<Row> rows, String growth, double minutes) {
        var table = new StringBuilder();
        table.append(
                "| case | goal | ours | peer | times faster | |%n|---|---|---|---|--:|---|%n"
                        .formatted());
        rows.forEach(row -> table.append(row.markdown()));
        long missed = rows.stream().filter(row -> row.verdict() == Row.Verdict.MISSED).count();
        return """
        # Figures, ours beside those of the peers

        %s`bin/bench` builds the disks, runs us and the peers by turns, and writes this page: one run, of %s, in
        %.1f minutes. %s

        %s
        Each time is the median of the counted runs, and in brackets the quickest and the slowest: %d where one takes
        seconds, %d where it takes a moment, after runs that warm both sides and are not counted. Before anything is
        counted, our NDJSON and the peer's list are compared by number, bytes and a hash of all ranges; of totals, the
        dirty bytes. Text, CSV and CBOR are only timed, and so are the counted runs.

        %s
        ## What was run

        The service is the packaged jar with 64 MiB of heap and the collector of the container image, in a process of
        its own; its memory is that process's, and its peak the highest during the counted runs.

        ```sh
        java -Xmx64m -XX:+UseSerialGC -jar target/dirtymap.jar --dirtymap.root=disks
        curl -s -o /dev/null -H 'Accept: application/x-ndjson' $api/images/half.qcow2/bitmaps/b/extents
        curl -s -o /dev/null -H 'Accept: application/x-ndjson' $api/images/map2.qcow2/extents
        curl -s $api/images/pair.qcow2/bitmaps/b/merge -H 'Content-Type: application/json' -d '{"sources":[{"bitmap":"c"}]}'

        qemu-nbd --persistent -r -f qcow2 -B b -k socket half.qcow2
        nbdinfo --json --map=qemu:dirty-bitmap:b 'nbd+unix:///?socket=socket' > /dev/null
        nbdinfo --map=qemu:dirty-bitmap:b --totals 'nbd+unix:///?socket=socket' > /dev/null
        qemu-img map --output=json -f qcow2 map2.qcow2 > /dev/null
        qemu-img bitmap --merge c -f qcow2 pair.qcow2 b

        java -Djarmode=tools -jar target/dirtymap.jar extract --destination unpacked
        java -Xmx64m -XX:+UseSerialGC -XX:AOTCacheOutput=app.aot -jar unpacked/dirtymap.jar   # once, ended with SIGTERM
        java -Xmx64m -XX:+UseSerialGC -XX:AOTCache=app.aot -jar unpacked/dirtymap.jar
        ```

        - All disks have clusters and granules of 64 KiB. `qemu-nbd` has read the bitmap before its client is timed; we
          read it anew for each request.
        - The 64 TiB disk has a dirty granule in every cluster of its bitmap, so that all 128 MiB of bits are read. It is
          listed after 3,000 short lists of it, which warm what every request takes before it reads.
        - Readers of a lot of content leave an image alone now and then, so that a machine can start: QEMU's lock is held
          for 40 ms together at most, then let go for as long, unless the readers leave it alone for four times as
          long as they hold it. Requests for whole lists are therefore 150 ms apart (20 ms for the union),
          and pages 4 ms; 64 clients of one disk wait for each other's pauses, and their p99 shows it.
        - The longest of all is not the lock's: JDK 25 now and then leaves a virtual thread aside that waited for a monitor, of the
          JDK or of Tomcat, as long as others keep coming. With eight carriers (`-Djdk.virtualThreadScheduler.parallelism=8`) none
          waited longer than a second, but a third as many requests were answered, and so it is not the default.
        - Merges are made on fresh copies of one disk, and the last pair is compared afterwards.
        - A service sends one stream at once for each MiB of its heap beyond 32: of 1,000 slow clients the others are told 503
          within a second, and disconnected.
        - Where the time of the slowest goes. 64 TiB: 128 MiB are copied from the page cache in 18 to 25 ms, and then
          searched. The map: 1.4 GiB of JSON for 16.8 million extents, of which the walk takes 0.25 to 0.4 s, the text 0.4 to
          0.5 s, and what the kernel does to send it the rest: a program that only sends as many bytes to `curl` takes 0.5
          to 1 s. CSV has half the bytes. Two threads, one to write and one to send, gained nothing, since the client
          needs a core too. A merge: two syncs, each
          bitmap read twice and the result once more for the totals of the answer.
        - Clients and the service share the cores.

        ## How it grows

        ![Time against the number of extents](benchmarks-extents.svg)

        ![Time against the size of the disk](benchmarks-size.svg)

        %s\
        """
                .formatted(
                        bench.quick()
                                ? "**A trial with small disks, whose figures mean nothing.** "
                                : "",
                        LocalDate.now(ZoneOffset.UTC),
                        minutes,
                        missed == 0
                                ? "Every goal was met."
                                : "Goals missed, and marked: %d.".formatted(missed),
                        machine,
                        bench.longRuns(),
                        bench.shortRuns(),
                        table,
                        growth);
    }
}
