"""Backup, restore, check and recover: nothing that was published is lost, made twice or touched."""
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
import unittest

from farm import BIN, Farm, eventually, sha256
from test_faults import liar
from test_inputs import png

PROMPTS = [f"prompt number {i}" for i in range(20)]
FAST = ("--model", "pattern", "--frames", "4", "--steps", "2", "--size", "64x64")
FROM_IMAGE = ("--frames", "2", "--steps", "2", "--size", "64x64", "--strength", "0.5")


def published(farm):
    """{path: (mtime, bytes)} of all that is published."""
    root = farm.state / "renders"
    return {str(p.relative_to(root)): (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(root.rglob("*")) if p.is_file() and not p.name.startswith(".")}


def clips_of(tree):
    return sorted(name for name in tree if name.endswith(".mp4"))


class Upkeep(unittest.TestCase):
    def untouched(self, before, after):
        for name, what in before.items():
            self.assertEqual(after.get(name), what, f"{name} was touched")

    def half_way(self, farm, seeds=3):
        """A batch of 60 clips of which some are published; everything killed."""
        farm.start(2)
        batch = farm.submit(PROMPTS, *FAST, "--seeds", str(seeds), "--key", "k1")["batch"]
        farm.wait_published(batch, 10)
        for name in list(farm.workers):
            farm.kill_worker(name)
        farm.kill_coordinator()
        return batch

    def tidied(self, farm, orphans):
        """No stray is left but files that lost their rows, and those go at a start when they are an hour old (lifecycle A3)."""
        eventually(lambda: set(farm.strays()) <= orphans, 30, "nothing new is left behind")
        for path in farm.strays():
            os.utime(path, (time.time() - 3700,) * 2)
        farm.kill_coordinator()
        farm.start_coordinator()
        self.assertEqual([p for p in farm.strays() if "/outbox/" not in p or p not in orphans], [])

    def finish(self, farm, batch, before, count):
        """Starts again and looks at the end of it."""
        # Checkpoints, for one: no other attempt may ever send the same bytes. And what is in the outbox of a worker that never comes back.
        orphans = {p for p in farm.strays() if "/outbox/" in p or "/artifacts/" in p and "/artifacts/tmp/" not in p}
        farm.start_coordinator()
        for name in ("v1", "v2"):  # whether the keys of the first two were found or not
            farm.start_worker(name)
        farm.wait(batch)
        after = published(farm)
        self.untouched(before, after)
        self.assertEqual(len(clips_of(after)), count)
        numbers = [os.path.basename(n).split("_")[0] for n in clips_of(after)]
        self.assertEqual(len(set(numbers)), count)
        self.tidied(farm, orphans)
        self.assertEqual(farm.zoe("coordinator", "check", "--state", farm.state, "--deep", json_out=True)["findings"][0]["level"], "ok")
        return after

    def recovered(self, damage):
        with Farm() as farm:
            batch = self.half_way(farm)
            before = published(farm)
            damage(farm.state / "farm.db")
            report = farm.zoe("recover", "--state", farm.state, json_out=True)
            self.assertEqual(report["batches_taken_in"], 1)
            self.assertEqual(report["clips_found"], len(clips_of(before)))
            self.assertEqual(report["clips_found"] + report["clips_waiting"], 60)
            self.untouched(before, published(farm))
            self.finish(farm, batch, before, 60)
            again = farm.submit(PROMPTS, *FAST, "--seeds", "3", "--key", "k1")
            self.assertTrue(again["existed"])
            self.assertEqual(again["batch"], batch)

    def test_a_deleted_database_is_rebuilt(self):
        def delete(path):
            for suffix in ("", "-wal", "-shm"):
                (path.parent / (path.name + suffix)).unlink(missing_ok=True)
        self.recovered(delete)

    def test_a_damaged_database_is_rebuilt(self):
        def flip(path):
            connection = sqlite3.connect(path)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
            chance, data = random.Random(6), bytearray(path.read_bytes())
            for _ in range(200):
                data[chance.randrange(4096, len(data))] ^= 1 << chance.randrange(8)
            path.write_bytes(bytes(data))
        self.recovered(flip)

    def test_a_coordinator_says_what_to_do(self):
        with Farm() as farm:
            farm.start(1)
            batch = farm.submit(PROMPTS[:2], *FAST)["batch"]
            farm.wait(batch)
            farm.kill_coordinator(signal.SIGTERM)
            data = bytearray((farm.state / "farm.db").read_bytes())
            data[4096:] = b"\xa5" * (len(data) - 4096)
            (farm.state / "farm.db").write_bytes(bytes(data))
            self.assertIsNone(farm.start_coordinator(expect_ready=False))
            log = (farm.folder / "coordinator.log").read_text()
            self.assertIn("zoe coordinator restore", log)
            self.assertIn("zoe recover", log)
            self.assertIn('"sound": false', farm.zoe("coordinator", "check", "--state", farm.state, "--json", code=1))
            farm.kill_coordinator()
            (farm.state / "farm.db").unlink()
            self.assertIsNone(farm.start_coordinator(expect_ready=False))
            self.assertEqual(len(list((farm.state / "prompts").iterdir())), 1)
            self.assertIn("is gone, but 1 batches", (farm.folder / "coordinator.log").read_text())

    def test_damage_that_is_found_in_reading_ends_the_farm(self):
        with Farm() as farm:
            farm.start_coordinator(env={"ZOE_FAULT_KILL": "publish.stitched"})
            farm.start_worker("w1")
            batch = farm.submit(PROMPTS[:1], *FAST)["batch"]
            eventually(lambda: farm.coordinator.poll() is not None, 60, "the coordinator is killed before it published")
            farm.kill_coordinator()
            farm.kill_worker("w1")
            database = farm.state / "farm.db"
            connection = sqlite3.connect(database)
            connection.execute("UPDATE meta SET value = '1' WHERE key = 'clean'")  # nobody looks at every page
            connection.commit()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            page, = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'attempt'").fetchone()
            connection.close()
            data = bytearray(database.read_bytes())
            data[(page - 1) * 4096:page * 4096] = bytes(4096)
            database.write_bytes(data)
            farm.start_coordinator(expect_ready=False)
            eventually(lambda: farm.coordinator.poll() is not None, 30, "the coordinator ends")
            self.assertEqual(farm.coordinator.returncode, 1)
            farm.kill_coordinator()
            self.assertIn("zoe coordinator restore", (farm.folder / "coordinator.log").read_text())
            connection = sqlite3.connect(database)
            self.assertEqual(connection.execute("SELECT value FROM meta WHERE key = 'clean'").fetchone(), ("0",))
            self.assertEqual(connection.execute("SELECT count(*) FROM clip").fetchone(), (0,))  # nor did it fail
            connection.close()
            farm.zoe("recover", "--state", farm.state)
            before = published(farm)
            self.finish(farm, batch, before, 1)

    def test_an_older_backup_takes_in_what_came_since(self):
        with Farm() as farm:
            farm.start(2)
            first = farm.submit(PROMPTS, *FAST, "--seeds", "2", "--name", "first")["batch"]
            farm.wait(farm.submit(["a", "b"], *FAST, "--report")["batch"])  # rows, no files
            farm.wait_published(first, 10)
            copy = farm.folder / "copy.db"
            made = farm.zoe("coordinator", "backup", copy, json_out=True)
            self.assertEqual(made["size_bytes"], copy.stat().st_size)
            self.assertEqual(farm.run("coordinator", "backup", copy).returncode, 6)  # never over a file
            late = farm.submit(PROMPTS[:3], *FAST, "--name", "late")["batch"]
            farm.wait_published(first, 20)
            farm.wait(late)
            done = farm.run("coordinator", "restore", copy, "--state", farm.state)
            self.assertEqual(done.returncode, 7, done.stderr)  # it runs
            for name in list(farm.workers):
                farm.kill_worker(name)
            farm.kill_coordinator()
            before = published(farm)
            report = farm.zoe("coordinator", "restore", copy, "--state", farm.state, json_out=True)
            self.assertEqual(report["batches_taken_in"], 1)
            self.assertEqual(len(list(farm.state.glob("farm.db.old-*"))) > 0, True)
            self.assertEqual((farm.state / "farm.generation").read_text(), "1")
            self.finish(farm, first, before, 43)
            self.assertEqual(farm.batch(late)["state"], "done")

    def test_a_backup_is_restored_from_where_nothing_can_be_written(self):
        apart = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount"]
        if not shutil.which("unshare") or subprocess.run([*apart, "true"], capture_output=True).returncode != 0:
            self.skipTest("mounts of one's own are not permitted")
        with Farm() as farm:
            farm.start(1)
            farm.wait(farm.submit(PROMPTS[:2], *FAST)["batch"])
            medium = farm.folder / "medium"
            medium.mkdir()
            farm.zoe("coordinator", "backup", medium / "copy.db")
            farm.kill_coordinator(signal.SIGTERM)
            data = bytearray((medium / "copy.db").read_bytes())
            data[18:20] = b"\2\2"  # as an older build left it: with a log
            (medium / "older.db").write_bytes(data)
            for name in ("copy.db", "older.db"):
                script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
                restore = [BIN / "zoe-coordinator", "restore", medium / name, "--state", farm.state]
                done = subprocess.run([*apart, "sh", "-c", script, "sh", medium, *restore], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(sorted(os.listdir(medium)), ["copy.db", "older.db"])

    def test_a_result_of_before_is_taken_after_a_restore(self):
        """A worker that went on without its coordinator hands over what it has: once."""
        with Farm() as farm:
            farm.start(1)
            copy = farm.folder / "copy.db"
            farm.zoe("coordinator", "backup", copy)
            batch = farm.submit(PROMPTS[:10], *FAST)["batch"]
            farm.wait_published(batch, 2)
            farm.kill_coordinator()
            farm.zoe("coordinator", "restore", copy, "--state", farm.state)
            before = published(farm)
            farm.start_coordinator()
            farm.wait(batch)
            after = published(farm)
            self.untouched(before, after)
            self.assertEqual(len(clips_of(after)), 10)

    def test_a_published_file_that_is_damaged_is_to_be_put_back(self):
        """The backup knows its clip as published: nobody renders it again. Without the backup it is rendered again."""
        with Farm() as farm:
            (batch,) = self.ended(farm, "mine")
            copy = farm.folder / "copy.db"
            farm.zoe("coordinator", "backup", copy)
            farm.kill_worker("w1")
            farm.kill_coordinator(signal.SIGTERM)
            video = min((farm.state / "renders" / f"{batch}-mine").glob("*.mp4"))
            whole = video.read_bytes()
            video.write_bytes(whole[:-10])
            for verb, code, level, words in ((("coordinator", "restore", copy), 1, "fail", "put it back"), (("recover",), 0, "warn", "is rendered again")):
                said = json.loads(farm.zoe(*verb, "--state", farm.state, "--json", code=code))
                found = [f for f in said["findings"] if f["topic"] == "clips"]
                self.assertEqual([(f["level"], f["where"]) for f in found], [(level, str(video.with_suffix(".json")))])
                self.assertIn(words, found[0]["fix"])
                self.assertEqual(said["clips_waiting"], 1 - code)
            video.write_bytes(whole)
            said = farm.zoe("coordinator", "restore", copy, "--state", farm.state, json_out=True)
            self.assertEqual([f for f in said["findings"] if f["level"] != "ok"], [])

    def test_a_removed_batch_stays_removed(self):
        with Farm() as farm:
            farm.start(1)
            gone = farm.submit(PROMPTS[:2], *FAST)["batch"]
            farm.wait(gone)
            copy = farm.folder / "copy.db"
            farm.zoe("coordinator", "backup", copy)
            farm.zoe("batch", "remove", gone)
            eventually(lambda: not list((farm.state / "renders").iterdir()), 20, "its folder goes")
            farm.kill_coordinator()
            self.assertEqual(farm.zoe("coordinator", "restore", copy, "--state", farm.state, json_out=True)["batches_dropped"], 1)
            farm.start_coordinator()
            farm.zoe("batch", "show", gone, code=3)

    def test_the_drill(self):
        """The commands of docs/operations.md, on a copy without artifacts, while the farm works."""
        with Farm() as farm:
            farm.start(2)
            batch = farm.submit(PROMPTS, *FAST, "--seeds", "2")["batch"]
            farm.wait_published(batch, 10)
            drill, copy = farm.folder / "drill", farm.folder / "copy.db"
            drill.mkdir()
            farm.zoe("coordinator", "backup", copy)
            for name in ("prompts", "renders", "keys"):
                shutil.copytree(farm.state / name, drill / name, ignore=shutil.ignore_patterns(".tmp-*", ".*.tmp.*"))
            said = farm.zoe("coordinator", "restore", copy, "--state", drill, "--paused")
            self.assertNotIn("The old database", said)
            wrong = farm.run("coordinator", "check", "--deep", "--state", drill, "--json").stdout
            self.assertLessEqual({f["topic"] for f in json.loads(wrong)["findings"] if f["level"] == "fail"}, {"artifacts"})
            for path in drill.glob("farm.db*"):
                path.unlink()
            farm.zoe("recover", "--state", drill, "--paused")
            self.assertIn("all is well", farm.zoe("coordinator", "check", "--deep", "--state", drill))
            farm.wait(batch)  # it was only a drill

    def ended(self, farm, *names):
        """Batches of two clips that are done."""
        farm.start(1)
        batches = [farm.submit(PROMPTS[:2], *FAST, "--name", name)["batch"] for name in names]
        for batch in batches:
            farm.wait(batch)
        return batches

    def check_held(self, farm, point, meanwhile):
        """A deep check of a running farm that stands at `point` while `meanwhile()` happens: (exit code, what it says)."""
        check = subprocess.Popen([BIN / "zoe-coordinator", "check", "--deep", "--state", farm.state, "--json"], env=dict(farm.env, ZOE_FAULT_STOP=point), stdout=subprocess.PIPE, text=True)
        try:
            self.assertTrue(os.WIFSTOPPED(os.waitpid(check.pid, os.WUNTRACED)[1]), "it stands there")
            meanwhile()
        finally:
            check.send_signal(signal.SIGCONT)
            said = json.loads(check.communicate()[0])
        return check.returncode, said

    def test_a_check_while_batches_come_and_go(self):
        """A deep check takes hours: what it has listed may have gone by then, and what is there may be newer than the list."""
        with Farm() as farm:
            going, staying = self.ended(farm, "going", "staying")
            came = []

            def meanwhile():
                farm.zoe("batch", "remove", going)
                eventually(lambda: not list((farm.state / "renders").glob(f"{going}*")), 30, "its files go")
                came.append(farm.submit(PROMPTS[2:4], *FAST, "--name", "came")["batch"])
                farm.wait(came[0])
            code, said = self.check_held(farm, "check.listed", meanwhile)
            self.assertEqual([f for f in said["findings"] if f["level"] != "ok"], [])
            self.assertEqual(code, 0)
            # What is wrong with a batch that is still there is said as before, and so is a folder that is nobody's.
            (farm.state / "renders" / f"{going}-going").mkdir()
            (farm.state / "renders" / f"{staying}-best").mkdir()
            (farm.state / "prompts" / f"{staying}.prompts").rename(farm.folder / "aside")
            said = json.loads(farm.zoe("coordinator", "check", "--deep", "--state", farm.state, "--json", code=1))
            self.assertEqual(sorted((f["level"], f["topic"], f["where"]) for f in said["findings"] if f["level"] != "ok"),
                             sorted([("fail", "prompts", staying), ("warn", "batches", f"{going}-going"), ("warn", "batches", f"{staying}-best")]))

    def test_a_deep_check_reads_what_has_no_digest(self):
        """Prompts, sidecars and batch.json of the right size with one other byte: found by --deep, each with its file's name."""
        with Farm() as farm:
            batch, other = self.ended(farm, "mine", "other")
            farm.kill_coordinator(signal.SIGTERM)
            folder, beside = (farm.state / "renders" / name for name in (f"{batch}-mine", f"{other}-other"))
            sidecar = min(folder.glob("*_s*.json"))
            prompts, about = farm.state / "prompts" / f"{batch}.prompts", folder / "batch.json"

            def flipped(path, at):
                data = bytearray(path.read_bytes())
                data[at] ^= 0x41
                return bytes(data)
            cases = ((prompts, flipped(prompts, 40), "prompts"), (sidecar, flipped(sidecar, 0), "clips"), (about, flipped(about, 0), "batches"),
                     (sidecar, max(folder.glob("*_s*.json")).read_bytes(), "clips"), (about, (beside / "batch.json").read_bytes(), "batches"))
            for path, data, topic in cases:
                with self.subTest(path.name, topic=topic):
                    whole = path.read_bytes()
                    path.write_bytes(data)
                    done = farm.run("coordinator", "check", "--deep", "--state", farm.state, "--json")
                    path.write_bytes(whole)
                    wrong = [f for f in json.loads(done.stdout)["findings"] if f["level"] != "ok"]
                    self.assertEqual([(f["level"], f["topic"]) for f in wrong], [("fail", topic)])
                    self.assertIn(str(path), wrong[0]["what"])
                    self.assertTrue(wrong[0]["fix"])
                    self.assertEqual(done.returncode, 1)
            self.assertIn("all is well", farm.zoe("coordinator", "check", "--deep", "--state", farm.state))

    def test_how_long_a_batch_stays_is_not_forgotten(self):
        with Farm() as farm:
            kept, longer, other = self.ended(farm, "kept", "longer", "other")
            farm.zoe("batch", "keep", kept, "forever")
            farm.zoe("batch", "keep", longer, "90d")
            farm.kill_coordinator()
            report = farm.zoe("recover", "--state", farm.state, json_out=True)
            self.assertNotIn("retention", [f["where"] for f in report["findings"]])
            farm.start_coordinator(extra=("--keep", "1s"))
            eventually(lambda: not any(other in p.name for p in (farm.state / "renders").iterdir()), 30, "the other goes")
            self.assertEqual(farm.batch(kept)["state"], "done")
            self.assertIn("in 89 d", farm.zoe("batch", "list"))
            farm.kill_coordinator()
            for path in farm.state.glob("farm.db*"):
                path.unlink()
            report = farm.zoe("recover", "--state", farm.state, json_out=True)
            self.assertIn(("warn", "retention"), [(f["level"], f["where"]) for f in report["findings"]])

    def test_a_restore_does_not_forget_what_was_said_since(self):
        """`batch keep`, `batch cancel` and `batch pause` came after the backup, of batches that it knows and of one that it does not."""
        with Farm() as farm:
            known, other = self.ended(farm, "known", "other")
            farm.kill_worker("w1")
            stopped, halted = (farm.submit(PROMPTS[:1], *FAST, "--name", name)["batch"] for name in ("stopped", "halted"))
            copy = farm.folder / "copy.db"
            farm.zoe("coordinator", "backup", copy)
            farm.zoe("batch", "cancel", stopped)
            farm.zoe("batch", "pause", halted)
            farm.start_worker("w1")
            later = farm.submit(PROMPTS[2:4], *FAST, "--name", "later")["batch"]
            farm.wait(later)
            farm.kill_worker("w1")
            canceled = farm.submit(PROMPTS[:1], *FAST, "--name", "canceled")["batch"]
            farm.zoe("batch", "cancel", canceled)
            for batch in (known, later):
                farm.zoe("batch", "keep", batch, "forever")
            farm.kill_coordinator()
            report = farm.zoe("coordinator", "restore", copy, "--state", farm.state, json_out=True)
            self.assertIn(("warn", "batches", stopped), [(f["level"], f["topic"], f["where"]) for f in report["findings"]])
            farm.start_coordinator()
            self.assertEqual([farm.batch(batch)["state"] for batch in (known, other, later, canceled)], ["done", "done", "done", "canceled"])
            self.assertEqual([farm.batch(batch)["state"] for batch in (stopped, halted)], ["paused", "paused"])
            farm.zoe("batch", "cancel", stopped)
            self.assertEqual(farm.batch(stopped)["state"], "canceled")
            farm.kill_coordinator()
            farm.start_coordinator(extra=("--keep", "1s"))
            eventually(lambda: not any(other in p.name for p in (farm.state / "renders").iterdir()), 30, "the other goes")
            self.assertEqual([farm.batch(batch)["state"] for batch in (known, later)], ["done", "done"])

    def restored(self, farm, copy):
        """What a restore says of a farm that ends for it, in good order; it runs again."""
        farm.kill_coordinator(signal.SIGTERM)
        said = farm.zoe("coordinator", "restore", copy, "--state", farm.state, json_out=True)
        farm.start_coordinator()
        self.assertIn("all is well", farm.zoe("coordinator", "check", "--state", farm.state))
        return said

    def ends(self, farm, *batches):
        """[(state, when it was over)]"""
        return [(shown["state"], shown["finished"]) for shown in map(farm.batch, batches)]

    def test_a_retry_since_the_backup_is_not_forgotten(self):
        """The old database says that it came, and whether what it began is over."""
        with Farm().start(2) as farm:
            lines = [json.dumps({"prompt": "good"}), json.dumps({"prompt": "bad", "pattern": {"fail_step": 1}})]
            going, held, other = (farm.submit(lines, *FAST, "--name", name)["batch"] for name in ("going", "held", "other"))
            for batch in (going, held, other):
                farm.wait(batch, code=1)
            before, copy = self.ends(farm, other), farm.folder / "copy.db"
            farm.zoe("coordinator", "backup", copy)
            for name in list(farm.workers):
                farm.kill_worker(name)
            for batch in (going, held):
                farm.zoe("batch", "retry", batch)
            farm.zoe("batch", "pause", held)
            said = self.restored(farm, copy)
            self.assertEqual(said["clips_waiting"], 2)
            self.assertEqual(self.ends(farm, going, held), [("running", None), ("paused", None)])
            self.assertEqual(self.ends(farm, other), before)
            for name in ("w1", "w2"):
                farm.start_worker(name)
            farm.wait(going, code=1)
            after = self.ends(farm, going)
            said = self.restored(farm, copy)  # now that retry is over, too
            self.assertEqual(said["clips_waiting"], 1)
            self.assertEqual(self.ends(farm, going), after)
            self.assertEqual(self.ends(farm, held), [("paused", None)])

    def test_a_retry_since_the_backup_goes_on_with_what_is_stored(self):
        """Both clips fail in stitching, in the backup; then they do not. Without the old database their files say that there was a retry."""
        moody = """case "$*" in *" stitch "*)
            [ -e "$HERE/well" ] || kill -9 $$
            while [ ! -e "$HERE/go" ]; do sleep 0.02; done;; esac
            exec "$REAL" "$@" """
        with Farm() as farm:
            farm.programs["zoe-coordinator"] = programs = liar(farm, "moody", moody)
            farm.start(1)
            batch = farm.submit(PROMPTS[:2], *FAST, "--name", "mine")["batch"]
            farm.wait(batch, code=1)
            copy = farm.folder / "copy.db"
            farm.zoe("coordinator", "backup", copy)
            farm.kill_worker("w1")
            (programs / "well").touch()
            farm.zoe("batch", "retry", batch)
            said = self.restored(farm, copy)
            self.assertEqual((said["clips_found"], said["clips_waiting"]), (0, 2))
            self.assertEqual(self.ends(farm, batch), [("running", None)])
            (programs / "go").touch()
            farm.wait(batch)  # there is no worker: nothing is rendered again
            farm.kill_coordinator(signal.SIGTERM)
            (farm.state / "farm.db").unlink()
            max((farm.state / "renders" / f"{batch}-mine").glob("*.mp4")).unlink()
            said = self.restored(farm, copy)
            self.assertEqual((said["clips_found"], said["clips_waiting"]), (1, 1))
            self.assertEqual(self.ends(farm, batch), [("running", None)])
            farm.start_worker("w1")
            farm.wait(batch)
            self.assertEqual(len(clips_of(published(farm))), 2)

    def test_a_restore_keeps_the_inputs_that_came_since(self):
        """What an accepted batch starts from is on the disk; only the old database knows what it is. One whose file is gone is told of."""
        with Farm() as farm:
            farm.start_coordinator()
            copy = farm.folder / "copy.db"
            farm.zoe("coordinator", "backup", copy)
            images = [png(farm.folder / name, 64, 64, rgb) for name, rgb in (("there.png", (9, 9, 9)), ("gone.png", (7, 7, 7)))]
            batch, without = (farm.submit("a blue circle", *FROM_IMAGE, "--init-image", image)["batch"] for image in images)
            farm.kill_coordinator(signal.SIGTERM)
            kept, gone = (farm.state / "artifacts" / sha256(image)[:2] / sha256(image) for image in images)
            gone.unlink()
            report = farm.zoe("coordinator", "restore", copy, "--state", farm.state, json_out=True)
            self.assertEqual([f["where"] for f in report["findings"] if f["topic"] == "inputs"], [without])
            os.utime(kept, (time.time() - 3700,) * 2)
            farm.start_coordinator()
            self.assertTrue(kept.exists())
            self.assertEqual([farm.batch(b)["state"] for b in (batch, without)], ["queued", "paused"])
            farm.zoe("batch", "cancel", without)
            farm.zoe("batch", "remove", without)
            self.assertIn("all is well", farm.zoe("coordinator", "check", "--deep", "--state", farm.state))
            farm.start_worker("w1")
            farm.wait(batch)

    def test_a_recover_leaves_out_inputs_whose_files_are_gone(self):
        """They are asked for again where somebody needs them: not of a batch that is over."""
        with Farm().start(1) as farm:
            images = {name: png(farm.folder / f"{name}.png", 64, 64, (shade,) * 3) for name, shade in (("over", 5), ("gone", 7), ("cut", 8), ("there", 9))}
            batches = {}
            for name, image in images.items():
                batches[name] = farm.submit("a blue circle", *FROM_IMAGE, "--init-image", image, "--name", name)["batch"]
                if name == "over":
                    farm.wait(batches[name])
                    farm.kill_worker("w1")
            farm.kill_coordinator(signal.SIGTERM)
            stored = {name: farm.state / "artifacts" / sha256(image)[:2] / sha256(image) for name, image in images.items()}
            stored["over"].unlink()
            stored["gone"].unlink()
            os.truncate(stored["cut"], 9)
            report = farm.zoe("recover", "--state", farm.state, json_out=True)
            self.assertEqual(sorted(f["where"] for f in report["findings"] if f["topic"] == "inputs"), sorted((batches["gone"], batches["cut"])))
            said, = (f["what"] for f in report["findings"] if (f["topic"], f["where"]) == ("salvage", "input"))
            self.assertEqual(said, "1 rows of the old database; 3 left out: their files are gone")
            farm.start_coordinator()
            self.assertEqual([farm.batch(batches[name])["state"] for name in images], ["done", "paused", "paused", "queued"])
            again = farm.submit("a blue circle", *FROM_IMAGE, "--init-image", images["gone"], "--name", "gone")
            self.assertEqual((again["batch"], again["existed"]), (batches["gone"], True))
            farm.zoe("batch", "resume", batches["gone"])
            farm.start_worker("w1")
            for name in ("gone", "there"):
                farm.wait(batches[name])

    def test_numbers_of_events_are_not_given_twice(self):
        """One who follows goes on from the last event that it saw, which the backup does not know."""
        for place in ("beside the old database", "elsewhere", "over a damaged one"):
            with self.subTest(place), Farm() as farm:
                self.ended(farm, "known")
                copy = farm.folder / "copy.db"
                farm.zoe("coordinator", "backup", copy)
                farm.wait(farm.submit(PROMPTS[:4], *FAST, "--name", "later")["batch"])
                last = farm.zoe("events", json_out=True)["last"]
                farm.kill_worker("w1")
                farm.kill_coordinator(signal.SIGTERM)
                if place == "elsewhere":
                    (farm.state / "farm.db").unlink()
                elif place == "over a damaged one":
                    (farm.state / "farm.db").write_bytes(b"\xa5" * 20000)
                farm.zoe("coordinator", "restore", copy, "--state", farm.state)
                farm.start_coordinator()
                new = farm.submit(PROMPTS[:1], *FAST, "--name", "new")["batch"]
                heard = farm.zoe("events", "--after", last, json_out=True)["events"]
                self.assertIn(("batch.submitted", new), [(e["kind"], e.get("batch")) for e in heard])
                self.assertGreater(len(farm.zoe("events", json_out=True)["events"]), len(heard))  # the older ones stay

    def test_numbers_of_events_differ_each_time_one_backup_is_restored(self):
        """Where the replaced database is gone, only the generation tells one restore from the next."""
        with Farm() as farm:
            farm.start_coordinator()
            copies, last = [farm.folder / "first.db"], 0
            farm.zoe("coordinator", "backup", copies[0])
            for restored in (0, 0, 1, 0):  # the third time a backup that was made after the first
                farm.kill_coordinator(signal.SIGTERM)
                (farm.state / "farm.db").unlink()
                farm.zoe("coordinator", "restore", copies[restored], "--state", farm.state)
                farm.start_coordinator()
                farm.submit(PROMPTS[:1], *FAST, "--again")
                heard = farm.zoe("events", "--after", last, json_out=True)
                self.assertIn("batch.submitted", [e["kind"] for e in heard["events"]])
                self.assertLess(heard["last"], 2 ** 53)  # whole in JSON
                last = heard["last"]
                copies.append(farm.folder / f"{len(copies)}.db")
                farm.zoe("coordinator", "backup", copies[-1])

    def test_a_copy_of_a_folder_is_passed_over(self):
        """A person's copies, and what a crash between two renames leaves, beside the folder that the farm made."""
        with Farm() as farm:
            (batch,) = self.ended(farm, "mine")
            copy = farm.folder / "copy.db"
            farm.zoe("coordinator", "backup", copy)
            renders = farm.state / "renders"
            own, copies = renders / f"{batch}-mine", [renders / f"{batch}-best", renders / f"{batch}-mine-best", renders / f".tmp-{batch}"]
            farm.kill_coordinator()
            for path in copies:
                shutil.copytree(own, path)
            before = published(farm)
            for verb in (("recover",), ("coordinator", "restore", copy)):
                report = farm.zoe(*verb, "--state", farm.state, json_out=True)
                passed = [f for f in report["findings"] if f["what"].startswith("passed over")]
                self.assertEqual(sorted(f["where"] for f in passed), sorted(p.name for p in copies))
                self.assertTrue(all(own.name in f["what"] for f in passed))
                self.assertEqual(published(farm), before)
                farm.start_coordinator()
                self.assertEqual(farm.batch(batch)["state"], "done")
                self.assertIn("all is well", farm.zoe("coordinator", "check", "--state", farm.state))
                farm.kill_coordinator()
                shutil.copytree(own, copies[-1])

    def test_the_only_folder_may_have_another_name(self):
        """The first folder of a batch that can be taken in is: here the one that the farm made has lost its prompts."""
        with Farm() as farm:
            (batch,) = self.ended(farm, "mine")
            farm.kill_coordinator()
            own, copy = (farm.state / "renders" / f"{batch}-{name}" for name in ("mine", "best"))
            shutil.copytree(own, copy)
            (own / "recipes.prompts").unlink()
            (farm.state / "prompts" / f"{batch}.prompts").unlink()
            report = json.loads(farm.zoe("recover", "--state", farm.state, "--json", code=1))
            self.assertEqual((report["batches_taken_in"], report["clips_found"]), (1, 2))
            farm.start_coordinator()
            self.assertEqual(farm.batch(batch)["clips"]["published"], 2)

    def test_one_broken_off_in_its_swap_is_finished(self):
        """What only the old database knows (in its log, too) is there after the second run, wherever the first was stopped."""
        for point in ("swap.ready", "swap.log_moved", "swap.old_moved"):
            with self.subTest(point), Farm() as farm:
                (batch,) = self.ended(farm, "mine")
                farm.zoe("owner", "set", "ann", "--share", "7")
                farm.zoe("batch", "keep", batch, "forever")
                farm.zoe("token", "create")
                known = [farm.zoe(noun, "list", json_out=True) for noun in ("key", "token", "owner")]
                farm.kill_worker("w1")
                farm.kill_coordinator()
                before = published(farm)
                done = farm.run("recover", "--state", farm.state, env={"ZOE_FAULT_KILL": point})
                self.assertEqual(done.returncode, -signal.SIGKILL, done.stdout)
                self.assertIsNone(farm.start_coordinator(expect_ready=False))
                self.assertIn("was broken off: run it once more", (farm.folder / "coordinator.log").read_text())
                farm.kill_coordinator()
                report = farm.zoe("recover", "--state", farm.state, json_out=True)
                self.assertEqual([f["level"] for f in report["findings"] if f["level"] != "ok"], [])
                self.assertEqual(published(farm), before)
                self.assertEqual([p.name for p in farm.state.glob("farm.db.new*")] + [p.name for p in farm.state.glob("farm.db.ready*")], [])
                farm.start_coordinator(extra=("--keep", "1s"))
                self.assertEqual([farm.zoe(noun, "list", json_out=True) for noun in ("key", "token", "owner")], known)
                self.assertEqual(farm.batch(batch)["state"], "done")

    def test_a_folder_that_was_never_a_farms_is_left_as_it_is(self):
        with Farm() as farm:
            worker, empty, nowhere = (farm.folder / name for name in ("a-worker", "empty", "nowhere"))
            worker.mkdir()
            empty.mkdir()
            (worker / "worker.key").write_text("")
            for verb in (("coordinator", "check"), ("recover",)):
                for folder, words in ((worker, "is a worker's folder"), (empty, "no farm was ever here"), (nowhere, "there is no folder")):
                    done = farm.run(*verb, "--state", folder)
                    self.assertEqual(done.returncode, 3, done.stderr)
                    self.assertIn(words, done.stderr)
            self.assertEqual((os.listdir(worker), os.listdir(empty), nowhere.exists()), (["worker.key"], [], False))
            done = farm.run("coordinator", "restore", farm.folder / "nosuch.db", "--state", empty)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("there is no file", done.stderr)
            done = farm.run("--state", nowhere, "token", "list")
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn(f"no farm in {nowhere}", done.stderr)

    def test_a_check_makes_no_file_and_a_recover_promises_no_key_that_is_not_there(self):
        with Farm() as farm:
            (farm.state / "renders").mkdir(parents=True)
            farm.zoe("coordinator", "check", "--state", farm.state, code=1)
            self.assertEqual(os.listdir(farm.state), ["renders"])
            self.assertNotIn("admin key", farm.zoe("recover", "--state", farm.state))
        with Farm() as farm:
            farm.start_coordinator()
            farm.kill_coordinator()
            (farm.state / "farm.db").unlink()
            self.assertIn("the admin key still works", farm.zoe("recover", "--state", farm.state))

    def test_unfinished_batches_may_wait(self):
        with Farm() as farm:
            batch = self.half_way(farm, 1)
            farm.zoe("recover", "--paused", "--fast", "--state", farm.state)
            farm.start_coordinator()
            self.assertEqual(farm.batch(batch)["state"], "paused")


if __name__ == "__main__":
    unittest.main()
