"""Batches that ended long enough ago go by themselves; a removal that a crash broke off is finished."""
import os
import signal
import sqlite3
import unittest

from farm import BIN, Farm, eventually

DISK = BIN.parent / "tests" / "libzoe_disk.so"
FAST = ("--model", "pattern", "--frames", "4", "--steps", "2", "--size", "64x64")


class Retention(unittest.TestCase):
    def left(self, farm):
        return sorted(p.name for p in (farm.state / "renders").iterdir()) + sorted(p.name for p in (farm.state / "prompts").iterdir())

    def gone(self, farm, batch):
        eventually(lambda: not any(batch in name for name in self.left(farm)), 30, f"{batch} goes")
        farm.zoe("batch", "show", batch, code=3)

    def test_ended_batches_go_after_their_time(self):
        with Farm() as farm:
            farm.start_coordinator(extra=("--keep", "2s"))
            farm.start_worker("w1")
            batches = [farm.submit(["a", "b"], *FAST, "--name", f"n{i}")["batch"] for i in range(2)]
            kept = farm.submit(["a", "b"], *FAST, "--name", "kept")["batch"]
            self.assertIsNone(farm.zoe("batch", "keep", kept, "forever", json_out=True)["goes"])
            farm.wait(kept)
            for batch in batches:
                self.gone(farm, batch)
            self.assertEqual(len(self.left(farm)), 2)
            kinds = [e["kind"] for e in farm.zoe("events", json_out=True)["events"]]
            self.assertEqual(kinds.count("batch.expired"), 2)
            farm.kill_coordinator()
            farm.start_coordinator(extra=("--keep", "2s"))  # what was said of one batch is kept
            self.assertEqual(farm.batch(kept)["state"], "done")
            said = farm.zoe("batch", "keep", kept, "90d", json_out=True)
            self.assertGreater(said["goes"], said["finished"])
            self.assertIn("in 89 d", farm.zoe("batch", "list"))
            farm.zoe("batch", "keep", kept, "1s")
            self.gone(farm, kept)

    def test_a_removal_that_a_crash_broke_off_is_finished(self):
        for point in ("removal.committed", "removal.renamed"):
            with self.subTest(point), Farm() as farm:
                farm.start(1)
                batch = farm.submit(["a", "b"], *FAST, "--name", "a name")["batch"]
                farm.wait(batch)
                farm.kill_worker("w1")
                farm.kill_coordinator(signal.SIGTERM)
                farm.start_coordinator(env={"ZOE_FAULT_KILL": point})
                farm.run("batch", "remove", batch, "--timeout", "5s")
                eventually(lambda: farm.coordinator.poll() is not None, 20, "the coordinator is killed")
                self.assertEqual(len([name for name in self.left(farm) if batch in name]), 2)  # folder and prompts
                farm.kill_coordinator()
                farm.start_coordinator()
                self.gone(farm, batch)
                self.assertEqual(self.left(farm), [])

    def rows_left(self, farm):
        with sqlite3.connect(f"file:{farm.state}/farm.db?mode=ro", uri=True) as db:
            counts = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("removal", "clip", "task", "attempt", "output")]
        db.close()
        return sum(counts)

    def test_a_removal_whose_end_cannot_be_stored_is_finished(self):
        with Farm() as farm:
            switches = farm.folder / "switches"
            switches.mkdir()
            full, held = switches / "full", switches / "held"
            said = lambda text: text in (farm.folder / "coordinator.log").read_text(errors="replace")
            farm.start_coordinator(env={"LD_PRELOAD": str(DISK), "ZOE_DISK_SWITCHES": str(switches),
                                        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
            farm.start_worker("w1")
            batch = farm.submit(["a", "b"], *FAST)["batch"]
            farm.wait(batch)
            held.touch()
            farm.zoe("batch", "remove", batch)
            full.touch()
            held.unlink()  # the folder goes now, and the database cannot say so
            eventually(lambda: said("nothing of this turn is stored"), 30, "a commit fails")
            eventually(lambda: not any(batch in name for name in self.left(farm)), 30, "the files go")
            full.unlink()
            eventually(lambda: said("can be written again"), 30, "the database is well")
            eventually(lambda: self.rows_left(farm) == 0, 30, "the rows go")


if __name__ == "__main__":
    unittest.main()
