package dev.dirtymap.twin;

import dev.dirtymap.testimages.Range;
import java.util.List;

/// Our way to change and to read the images of one folder.
interface OurSide {

    /// @return the slug of the problem; empty if it is done
    String apply(String file, Operation operation);

    /// In directory order.
    List<Model.Entry> list(String file);

    /// As `GET …/bits` gives them.
    byte[] bits(String file, String bitmap);

    List<Range> dirty(String file, String bitmap);
}
