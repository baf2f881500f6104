"""The recorder sees what a program does to its files, and a cut leaves what was synced and nothing else."""
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import power_log
from built import built

SHIM = built("tests/libzoe_power.so")


class TestPowerLog(unittest.TestCase):
    def setUp(self):
        self.held = tempfile.TemporaryDirectory()
        self.addCleanup(self.held.cleanup)
        self.folder = pathlib.Path(self.held.name).resolve()
        (self.folder / "root").mkdir()
        self.log = self.folder / "log"

    def play(self, program):
        """Runs lines of Python in the root under the recorder; the records."""
        prelude = "import os\ndef put(n, d):\n f = os.open(n, os.O_CREAT | os.O_WRONLY, 0o600); os.write(f, d); return f\ndef sync_folder(n):\n f = os.open(n, os.O_RDONLY); os.fsync(f)\n"
        env = dict(os.environ, LD_PRELOAD=str(SHIM), ZOE_POWER_LOG=str(self.log), ZOE_POWER_ROOT=str(self.folder / "root"))
        subprocess.run([sys.executable, "-I", "-S", "-c", prelude + program], cwd=self.folder / "root", env=env, check=True)
        return power_log.read(self.log)

    def cut(self, records, mode="drop", at=None, seed=0):
        """{path: content} after a cut."""
        target = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        power_log.Disk(records, self.folder / "root").forward(len(records) if at is None else at).rebuild(target, mode, random.Random(seed))
        return {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()}

    def test_without_syncs_nothing_is_left(self):
        records = self.play("put('a', b'1'); os.mkdir('f'); put('f/b', b'2')")
        self.assertEqual(self.cut(records), {})
        self.assertEqual(self.cut(records, "keep"), {"a": b"1", "f/b": b"2"})

    def test_a_synced_file_needs_its_name_synced_too(self):
        records = self.play("os.fsync(put('a', b'1'))")
        self.assertEqual(self.cut(records), {})
        self.assertEqual(self.cut(self.play("os.fsync(put('b', b'2')); sync_folder('.')")), {"a": b"1", "b": b"2"})

    def test_a_synced_name_without_its_content_is_empty(self):
        self.assertEqual(self.cut(self.play("put('a', b'1'); sync_folder('.')")), {"a": b""})

    def test_what_is_written_after_a_sync_is_gone(self):
        records = self.play("f = put('a', b'123'); os.fsync(f); sync_folder('.'); os.pwrite(f, b'x', 1); os.ftruncate(f, 2)")
        self.assertEqual(self.cut(records), {"a": b"123"})
        self.assertEqual(self.cut(records, "keep"), {"a": b"1x"})

    def test_rename_replaces_when_its_folder_is_synced(self):
        program = "os.fsync(put('a', b'old')); sync_folder('.'); os.fsync(put('t', b'new')); os.rename('t', 'a')"
        self.assertEqual(self.cut(self.play(program)), {"a": b"old"})
        self.assertEqual(self.cut(self.play("sync_folder('.')")), {"a": b"new"})

    def test_a_rename_across_folders_is_two_changes(self):
        records = self.play("os.mkdir('f'); os.fsync(put('a', b'1')); sync_folder('.'); os.rename('a', 'f/a'); sync_folder('f')")
        self.assertEqual(self.cut(records), {"a": b"1", "f/a": b"1"})

    def test_folders_are_renamed_with_what_is_in_them(self):
        records = self.play("os.mkdir('.t'); os.fsync(put('.t/a', b'1')); sync_folder('.t'); os.rename('.t', 'f'); sync_folder('.'); put('f/b', b'2')")
        self.assertEqual(self.cut(records), {"f/a": b"1"})

    def test_an_unlinked_file_comes_back_unless_synced(self):
        records = self.play("os.fsync(put('a', b'1')); sync_folder('.'); os.unlink('a')")
        self.assertEqual(self.cut(records), {"a": b"1"})
        self.assertEqual(self.cut(self.play("sync_folder('.')")), {})

    def test_links_share_their_content(self):
        records = self.play("f = put('a', b'1'); os.link('a', 'b'); os.write(f, b'2'); os.fsync(f); sync_folder('.')")
        self.assertEqual(self.cut(records), {"a": b"12", "b": b"12"})

    def test_each_cut_is_before_the_next_record(self):
        records = self.play("os.fsync(put('a', b'1')); sync_folder('.')")
        ends = [n for n, r in enumerate(records) if r.kind == power_log.SYNC_END]
        self.assertEqual(self.cut(records, at=ends[-1]), {})
        self.assertEqual(self.cut(records, at=ends[-1] + 1), {"a": b"1"})
        self.assertEqual(sorted(r.stamp_ns for r in records), [r.stamp_ns for r in records])

    def test_torn_writes_miss_sectors(self):
        records = self.play("f = put('a', b''); sync_folder('.'); os.write(f, b'x' * 5120)")
        found = [self.cut(records, "tear", seed=seed)["a"] for seed in range(40)]
        whole = {bytes(5120 - len(c)) + c for c in found}
        self.assertGreater(len(whole), 10)
        self.assertTrue(any(len(c) == 5120 and 0 < c.count(0) < 5120 and c.count(0) % 512 == 0 for c in found))

    def test_an_inode_number_that_is_used_again_is_another_file(self):
        records = self.play("os.fsync(put('a', b'1')); sync_folder('.'); os.unlink('a'); put('b', b'2')")
        self.assertEqual(self.cut(records), {"a": b"1"})


if __name__ == "__main__":
    unittest.main()
