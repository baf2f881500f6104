"""What stays of a published clip of several windows, for how long, and what the sweep takes."""
import sqlite3
import time
import unittest

from farm import Farm, eventually

LONG = ["--model", "pattern", "--size", "32x32", "--steps", "4", "--frames", "40", "--segment-frames", "16", "--overlap", "4"]
DAY_MS = 24 * 3600 * 1000


class Kept(unittest.TestCase):
    def rows(self, farm):
        """(kind, kept until) of each stored output."""
        with sqlite3.connect(f"file:{farm.state}/farm.db?mode=ro", uri=True) as db:
            found = db.execute("SELECT k.text, keep_until_ms FROM output JOIN word k ON k.id = kind ORDER BY task, number").fetchall()
        db.close()
        return found

    def files(self, farm):
        return [p for p in (farm.state / "artifacts").glob("??/*")]

    def stop_and_age(self, farm, sql):
        """Time passes while the coordinator is away."""
        farm.kill_coordinator()
        with sqlite3.connect(farm.state / "farm.db") as db:
            db.execute(sql)
        db.close()

    def test_segments_stay_a_day_and_the_last_latents_a_week(self):
        with Farm().start() as farm:
            farm.wait(farm.submit("a pattern", *LONG)["batch"])
            rows, now = self.rows(farm), time.time() * 1000
            self.assertEqual([kind for kind, _ in rows], ["segment", "segment", "segment", "latents"])
            for kind, until in rows:
                left = (until - now) / DAY_MS
                self.assertAlmostEqual(left, 7 if kind == "latents" else 1, delta=0.1)
            eventually(lambda: len(self.files(farm)) == 4, what="only what is kept has a file")
            self.stop_and_age(farm, "UPDATE output SET keep_until_ms = 1 WHERE kind = (SELECT id FROM word WHERE text = 'segment')")
            farm.start_coordinator()
            eventually(lambda: len(self.files(farm)) == 1, what="the segments are gone")
            self.assertEqual([kind for kind, _ in self.rows(farm)], ["latents"])

    def test_kept_until_the_batch_is_removed(self):
        with Farm() as farm:
            farm.start_coordinator(extra=["--keep-segments"])
            farm.start_worker("w1")
            batch = farm.submit("a pattern", *LONG)["batch"]
            farm.wait(batch)
            self.assertEqual(self.rows(farm), [("segment", None)] * 3 + [("latents", None)])
            farm.zoe("batch", "remove", batch)
            eventually(lambda: not self.files(farm), what="removing the batch takes all")


if __name__ == "__main__":
    unittest.main()
