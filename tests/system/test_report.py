"""Reports: clips of which only what their frames are is kept: no file, no segment, one row."""
import json
import unittest

from farm import Farm, eventually

PATTERN = ("--model", "pattern", "--frames", "4", "--steps", "2")


class Report(unittest.TestCase):
    def test_a_report_tells_what_the_video_would_hold(self):
        with Farm().start(workers=1) as farm:
            prompts = "a red ball\na blue ball\n"
            videos = farm.submit(prompts, *PATTERN, "--seeds", "2")["batch"]
            reports = farm.submit(prompts, *PATTERN, "--seeds", "2", "--report")["batch"]
            self.assertNotEqual(videos, reports)
            farm.wait_published(videos, 4)
            eventually(lambda: farm.batch(reports)["state"] == "done", 60, "the reports are here")
            folder = farm.folder / "fetched"
            farm.zoe("batch", "fetch", videos, folder)
            farm.zoe("batch", "fetch", reports, folder)
            rows = [json.loads(line) for path in folder.glob("*/reports.jsonl") for line in path.read_text().splitlines()]
            self.assertEqual([row["index"] for row in rows], [0, 1, 2, 3])
            sidecars = [json.loads(path.read_text()) for path in sorted(folder.glob(f"{videos}*/*_s*.json"))]
            self.assertEqual(len(sidecars), 4)
            for row, sidecar in zip(rows, sidecars):
                self.assertEqual(row["report"]["schema"], "zoe.report.v1")
                self.assertEqual((row["report"]["frames"], row["worker"]), (4, "w1"))
                self.assertIn(row["report"]["frames_sha256"], json.dumps(sidecar), "the frames are those of the video")
            self.assertEqual(list((farm.state / "artifacts").rglob("*.mkv")), [])
            self.assertEqual(list((farm.state / "renders").glob(f"{reports}*/*.mp4")), [])

    def test_they_survive_a_restart_and_are_asked_for_once(self):
        with Farm().start(workers=1) as farm:
            batch = farm.submit("".join(f"prompt {n}\n" for n in range(40)), *PATTERN, "--report")["batch"]
            eventually(lambda: farm.batch(batch)["clips"]["published"] >= 10, 60, "some are here")
            farm.kill_coordinator()
            farm.start_coordinator()
            eventually(lambda: farm.batch(batch)["state"] == "done", 60, "all are here")
            done = farm.batch(batch)
            self.assertEqual(done["clips"]["published"], 40)
            farm.zoe("batch", "fetch", batch, farm.folder / "fetched")
            lines = next((farm.folder / "fetched").glob("*/reports.jsonl")).read_text().splitlines()
            self.assertEqual(len(lines), 40)

    def test_segments_make_no_report(self):
        with Farm().start(workers=0) as farm:
            farm.zoe("submit", "-", *PATTERN[:2], "--frames", "64", "--segment-frames", "16", "--report", stdin="a ball\n", code=2)


if __name__ == "__main__":
    unittest.main()
