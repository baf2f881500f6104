"""zoe bench farm, small: every measure comes to its end and finds what must be so on any machine. Its times mean nothing here."""
import json
import os
import subprocess
import tempfile
import unittest

from farm import BIN, SLOW


class BenchFarm(unittest.TestCase):
    def test_quick(self):
        with tempfile.TemporaryDirectory(prefix="zoe-test-") as folder:
            done = subprocess.run([str(BIN / "zoe"), "bench", "farm", "--quick", "--json", "--folder", folder], capture_output=True, text=True, timeout=300 * SLOW)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(os.listdir(folder), [], "it leaves nothing behind")
        answer = json.loads(done.stdout)
        self.assertEqual(answer["schema"], "zoe.bench_farm.v1")
        found = {row["name"]: row["found"] for row in answer["measures"]}
        self.assertEqual(len(found), len(answer["measures"]))
        for name in ("restart_lost", "join_lost", "false_losses"):
            self.assertEqual(found[name], 0, name)
        self.assertLess(found["wal"], 64)
        for name in ("bytes_a_task", "bytes_a_report"):
            self.assertLess(found[name], 300, f"{name}: over the goal of 150 here, for what does not depend on tasks is divided by the few that a slow machine finishes; twice that is another layout")
        for name in ("submit_time", "cpu_a_task", "bytes_a_task", "restart_time", "status_p99", "status_busy", "join_time", "join_rate"):
            self.assertGreater(found[name], 0, name)
        for name in ("fdatasync_median_ms", "load_before", "load_after"):
            self.assertIn(name, answer["conditions"])


if __name__ == "__main__":
    unittest.main()
