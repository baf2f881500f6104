"""200,000 prompts: taken, counted and canceled; the figures are printed for docs/performance.md, the bounds asserted are sizes, not times."""
import pathlib
import time
import unittest

from farm import Farm, eventually

PROMPTS = 200_000


def memory_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])


class Scale(unittest.TestCase):
    def test_two_hundred_thousand_prompts(self):
        with Farm().start(workers=1) as farm:
            eventually(lambda: farm.zoe("status", json_out=True)["workers_idle"] == 1, 60, "the worker is admitted")
            before = memory_kib(farm.coordinator.pid)
            text = "".join(f"prompt number {n} of a large batch\n" for n in range(PROMPTS))
            start = time.monotonic()
            accepted = farm.submit(text, "--model", "pattern", "--frames", "4", "--steps", "2")
            took = {"submit": time.monotonic() - start}
            self.assertEqual(accepted["clips"], PROMPTS)
            for name, arguments in (("status", ["status"]), ("show", ["batch", "show", accepted["batch"]])):
                start = time.monotonic()
                farm.zoe(*arguments, json_out=True)
                took[name] = time.monotonic() - start
            farm.wait_published(accepted["batch"], 3)
            grown = memory_kib(farm.coordinator.pid) - before
            start = time.monotonic()
            farm.zoe("batch", "cancel", accepted["batch"])
            took["cancel"] = time.monotonic() - start
            def settled():
                batch = farm.batch(accepted["batch"])
                counts = batch["clips"]
                return batch["state"] == "canceled" and counts["published"] + counts["canceled"] == PROMPTS  # what was publishing is finished
            eventually(settled, 60, "canceled")
            print("seconds, each with the start of the command:", {k: round(v, 3) for k, v in took.items()}, "grown KiB:", grown)


if __name__ == "__main__":
    unittest.main()
