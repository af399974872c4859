/// What the tests of the other packages stand on: images made by QEMU, and QEMU's own programs as judges.
///
/// The reference implementation is a fixture: it writes, we read; we write, it checks. Nothing here imitates it, and
/// nothing here uses our own reader or writer, so that an error in them cannot hide behind itself.
///
/// | to | take |
/// | --- | --- |
/// | make, change and check an image | [QemuImg], [QemuIo] |
/// | know which ranges are dirty | [NbdMap] |
/// | hold an image open, or die with it open | [StorageDaemon] |
/// | break an image at a known place | [ImageBytes] |
/// | have reads, writes or syncs fail | [FailingImageFile] |
/// | lose power at any moment of a change | [RecordingImageFile] or [RecordedProgram], then [PowerCut] |
/// | ask QEMU about thousands of states | [QemuJudge] |
/// | have one of every kind of image | [ImageCorpus] |
/// | find files and locks that a test left open | [LeakCheck], which watches every test class by itself |
///
/// A missing program fails the test with one sentence; nothing is ever skipped.
@NullMarked
package dev.dirtymap.testimages;

import org.jspecify.annotations.NullMarked;
