"""zoe doctor: without a farm, on a worker's machine, beside a farm, and when things are wrong."""
import os
import struct
import unittest

from farm import BIN, Farm

CLOCKS = BIN.parent / "tests" / "libzoe_clock.so"


def topics(report, level):
    return {f["topic"] for f in report["findings"] if f["level"] == level}


class Doctor(unittest.TestCase):
    def look(self, farm, code, *extra):
        report = farm.zoe("doctor", *extra, code=code, json_out=True)
        self.assertEqual(report["schema"], "zoe.doctor.v1")
        self.assertEqual(report["well"], code == 0)
        for f in report["findings"]:
            self.assertEqual("fix" in f, f["level"] != "ok", f)
        return report

    @staticmethod
    def of_the_farm(report):
        return " ".join(f["what"] for f in report["findings"] if f["topic"] == "farm")

    def test_without_a_farm(self):
        with Farm() as farm:
            self.assertLessEqual({"disk", "programs", "engine", "media", "farm", "memory"}, topics(self.look(farm, 0), "ok") | topics(self.look(farm, 0), "warn"))
            self.assertIn("none is configured", self.of_the_farm(self.look(farm, 0)))

    def test_beside_a_farm_and_on_a_worker(self):
        with Farm() as farm:
            farm.start(1)
            report = self.look(farm, 0, "--state", farm.state)
            self.assertLessEqual({"keys", "state"}, topics(report, "ok"))
            self.assertIn("reached as admin", self.of_the_farm(report))
            report = self.look(farm, 0, "--state", farm.folder / "workers" / "w1")
            self.assertIn("outbox", " ".join(f["where"] for f in report["findings"]))
            self.assertRegex(self.of_the_farm(report), "not looked at: .*w1 is no coordinator's folder")
            report = self.look(farm, 0)  # the farm by ZOE_COORDINATOR
            self.assertIn("reached as admin", self.of_the_farm(report))
            farm.zoe("worker", "quarantine", "w1", "--reason", "its fan is loud")
            self.assertIn("every worker that is there is in quarantine", self.of_the_farm(self.look(farm, 1)))
            farm.zoe("worker", "readmit", "w1")
            farm.kill_coordinator()
            self.assertRegex(self.of_the_farm(self.look(farm, 0, "--state", farm.state)), "not looked at: .*coordinator that does not run")

    def test_whose_folder_it_is_is_told(self):
        with Farm() as farm:
            worker = farm.folder / "a-worker"
            worker.mkdir()
            (worker / "worker.lock").write_text("")
            (worker / "coordinator.lock").write_text("")  # an older build's check left one
            said = lambda report: " ".join(f["what"] for f in report["findings"] if f["topic"] == "state")
            self.assertIn("it is a worker's folder", said(self.look(farm, 0, "--state", worker)))
            self.assertNotIn("a coordinator", said(self.look(farm, 0, "--state", worker)))
            self.assertIn("there is no such folder", said(self.look(farm, 1, "--state", farm.folder / "nowhere")))
            self.assertIn("no farm was ever here", said(self.look(farm, 0, "--state", farm.folder / "home")))

    @unittest.skipUnless(CLOCKS.exists(), "the target zoe_clock is not built")
    def test_clocks_that_differ_are_told(self):
        with Farm() as farm:
            offset = farm.folder / "clock"
            offset.write_bytes(struct.pack("=q", -2 * 3600 * 10**9))
            farm.start_coordinator(env={"LD_PRELOAD": str(CLOCKS), "ZOE_CLOCK_FILE": str(offset),
                                        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
            report = self.look(farm, 0)
            said = [f["what"] for f in report["findings"] if f["topic"] == "clock" and "coordinator" in f["what"]]
            self.assertEqual(len(said), 1, report["findings"])
            self.assertIn("behind ours", said[0])
            offset.write_bytes(struct.pack("=q", 0))
            farm.kill_coordinator()
            farm.start_coordinator()
            self.assertNotIn("behind ours", " ".join(f["what"] for f in self.look(farm, 0)["findings"]))

    def test_what_is_wrong_is_told_with_what_to_do(self):
        with Farm() as farm:
            farm.start(1)
            (farm.state / "keys" / "admin.key").chmod(0o644)
            report = self.look(farm, 1, "--state", farm.state)
            found = [f for f in report["findings"] if f["topic"] == "keys"]
            self.assertEqual([(f["level"], f["fix"]) for f in found], [("fail", "chmod 600")])
            (farm.state / "keys" / "admin.key").chmod(0o600)
            farm.kill_coordinator()
            report = self.look(farm, 1)
            self.assertIn("nothing listens there", [f for f in report["findings"] if f["topic"] == "farm"][0]["fix"])
            (farm.state / "farm.db.new").write_text("")
            (farm.state / "farm.db.ready").write_text("")
            (farm.state / "farm.db").write_text("no database")
            report = self.look(farm, 1, "--state", farm.state)
            self.assertEqual(sum(f["level"] == "fail" and f["topic"] == "state" for f in report["findings"]), 3)


if __name__ == "__main__":
    unittest.main()
