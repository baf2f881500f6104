"""Who gets the slot on a real farm: a priority that is changed later, and slots without enough memory."""
import unittest

from farm import Farm, eventually

SMALL = ("--model", "pattern", "--frames", "4", "--steps", "2")


class Scheduling(unittest.TestCase):
    def test_a_batch_is_moved_to_the_front(self):
        with Farm().start(workers=0) as farm:
            first = farm.submit("a\nb\n", *SMALL)["batch"]
            second = farm.submit("c\nd\n", *SMALL)["batch"]
            self.assertNotIn("PRIORITY", farm.zoe("batch", "list"))
            self.assertEqual(farm.run("batch", "priority", "last", "7").stderr, f"Batch {second} has priority 7 now\n")
            self.assertEqual(farm.zoe("batch", "priority", second, "7", json_out=True)["priority"], 7)
            listed = farm.zoe("batch", "list").splitlines()
            at = listed[0].index("PRIORITY")
            self.assertEqual([line[at:at + 8].strip() for line in listed[1:]], ["7", "0"])
            self.assertLessEqual(max(map(len, listed)), 80)
            self.assertEqual(farm.zoe("batch", "priority", first, "-3", json_out=True)["priority"], -3)
            farm.zoe("batch", "priority", first, "1001", code=2)
            farm.zoe("batch", "priority", "nothing", "1", code=3)
            farm.kill_coordinator()
            farm.start_coordinator()  # it is kept
            self.assertEqual(farm.batch(second)["priority"], 7)
            farm.start_worker("w1")
            farm.wait(first)
            farm.wait(second)
            # The starts, not the ends: clips rendered one after another are published side by side.
            self.assertLess(max(farm.started(second)), min(farm.started(first)))
            farm.zoe("batch", "priority", first, "1", code=7)  # it is over

    def test_no_slot_has_the_memory(self):
        with Farm().start(workers=0) as farm:
            farm.start_worker("w1", "--memory", "60m")
            eventually(lambda: [w["state"] for w in farm.zoe("worker", "list", json_out=True)["workers"]] == ["idle"], 60, "the worker has nothing to do")
            accepted = farm.submit("a red ball\n", "--model", "shapes", "--size", "64x64", "--frames", "8", "--steps", "2")
            self.assertTrue(any("memory" in warning for warning in accepted["warnings"]), accepted)
            why = farm.zoe("explain", accepted["batch"], json_out=True)
            self.assertEqual(why["code"], "memory")
            self.assertIn("the largest slot here has", why["line"])
            farm.start_worker("w2")
            farm.wait(accepted["batch"])


if __name__ == "__main__":
    unittest.main()
