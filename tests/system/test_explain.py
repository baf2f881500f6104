"""zoe explain on a real farm: before a worker is there, while it renders, and when all is over."""
import unittest

from farm import Farm, eventually


class Explain(unittest.TestCase):
    def why(self, farm, subject):
        answer = farm.zoe("explain", subject, json_out=True)
        self.assertEqual(answer["schema"], "zoe.explain.v1")
        return answer

    def test_from_the_first_minute_to_the_last(self):
        with Farm().start(workers=0) as farm:
            batch = farm.submit("a red ball\na blue ball\n", "--model", "pattern", "--frames", "4", "--steps", "2")["batch"]
            self.assertEqual(self.why(farm, "last")["code"], "no_worker")
            self.assertEqual(self.why(farm, f"{batch}/1")["code"], "no_worker")
            self.assertRegex(farm.zoe("explain", f"{batch}/1"), f"^clip {batch}/1 is waiting: no worker is here")
            farm.start_worker("w1")
            farm.wait_published(batch, 2)
            done = self.why(farm, f"{batch[:6]}/0")
            self.assertEqual((done["kind"], done["state"], done["code"]), ("clip", "published", "published"))
            self.assertIn("made by w1", done["line"])
            self.assertEqual(done["subject"], f"{batch}/0")
            eventually(lambda: self.why(farm, "w1")["code"] == "no_work", 30, "the worker has nothing to do")
            text = farm.zoe("explain", "w1")
            self.assertEqual("worker w1 is idle: nothing waits\n", text)
            self.assertRegex(farm.zoe("explain", f"{batch}/0"), f"^clip {batch}/0 is published as [^:]*, made by w1\n$")
            farm.wait(batch)
            self.assertEqual(farm.zoe("explain", batch, "-q"), "done\n")
            farm.zoe("worker", "quarantine", "w1", "--reason", "its fan is loud")
            self.assertEqual(farm.zoe("explain", "w1").split(";")[0], "worker w1 is quarantined, kept from work by admin until `zoe worker readmit w1`: its fan is loud")
            for subject in ("w9", "nothing at all", f"{batch}/2", f"{batch}/0.1", f"{batch}/x"):
                farm.zoe("explain", subject, code=3)


if __name__ == "__main__":
    unittest.main()
