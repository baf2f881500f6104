"""It survives from the first day: processes killed, stopped and starved in mid-batch. Each time the batch ends done, every clip published exactly once and identical
to the undisturbed run, and nothing is left behind."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

from farm import BIN, Farm, children_of, eventually

CLIPS = 8
LINES = [json.dumps({"prompt": f"clip {n}", "pattern": {"step_ms": 100}}) for n in range(CLIPS)]
SMALL = ["--model", "pattern", "--frames", "6", "--steps", "4"]

COORDINATOR_POINTS = ["store.before_commit", "store.after_commit", "submit.accepted", "artifact.renamed", "publish.stitched", "publish.committed", "publish.renamed_sidecar",
                      "publish.renamed_video", "publish.folder_synced", "publish.published"]

undisturbed = {}


def setUpModule():
    with Farm().start(workers=2) as farm:
        accepted = farm.submit(LINES, *SMALL)
        farm.wait(accepted["batch"])
        undisturbed.update(farm.tree(accepted["folder"]))
    assert len(undisturbed) == CLIPS


def engines(farm):
    return [pid for pid, name in children_of(os.getpid()).items() if name == "zoe-engine"]


def fill(path):
    """Writes to a file until its disk is full."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(fd, b"x" * 4096)
    except OSError:
        os.close(fd)


def liar(farm, name, script):
    """The folder of a coordinator whose zoe-media is a script; "$REAL" is the one of this build, "$HERE" that folder. A program finds the others beside itself."""
    programs = farm.folder / name
    programs.mkdir()
    shutil.copy2(BIN / "zoe-coordinator", programs)
    (programs / "zoe-engine").symlink_to(BIN / "zoe-engine")
    media = programs / "zoe-media"
    media.write_text(f"#!/bin/bash\nREAL='{BIN}/zoe-media' HERE='{programs}'\n{script}\n")
    media.chmod(0o755)
    return programs


class Faults(unittest.TestCase):
    @staticmethod
    def is_tidy(farm, orphans):
        strays = farm.strays()
        stored = [p for p in strays if "/artifacts/" in p and "/artifacts/tmp/" not in p]
        return len(strays) == len(stored) <= orphans

    def finish(self, farm, accepted, orphans=0):
        """The common verdict. `orphans`: a coordinator that is killed between a checkpoint's rename and its commit leaves that file for an hour (lifecycle A3), at most
        one a worker; results are sent again, to the same name."""
        farm.wait(accepted["batch"])
        batch = farm.batch(accepted["batch"])
        self.assertEqual(batch["state"], "done")
        self.assertEqual(farm.tree(accepted["folder"]), undisturbed)
        published = [e for e in farm.zoe("events", "--batch", accepted["batch"], json_out=True)["events"] if e["kind"] == "clip.published"]
        self.assertEqual(sorted(e["clip"] for e in published), list(range(CLIPS)))
        eventually(lambda: self.is_tidy(farm, orphans), 30, "nothing is left behind")

    def test_worker_killed(self):
        for after in (0, 2, 5):
            with self.subTest(after=after), Farm().start(workers=2) as farm:
                accepted = farm.submit(LINES, *SMALL)
                farm.wait_published(accepted["batch"], after) if after else eventually(lambda: engines(farm), 30, "an engine runs")
                farm.kill_worker("w1")
                farm.start_worker("w1")
                self.finish(farm, accepted)

    def test_engine_killed(self):
        with Farm().start(workers=2) as farm:
            accepted = farm.submit(LINES, *SMALL)
            for after in (1, 3, 5):
                farm.wait_published(accepted["batch"], after)
                # Of one worker only: a clip that kills engines on both has failed for good (T4).
                for pid, name in children_of(farm.workers["w1"].pid).items():
                    if name == "zoe-engine":
                        os.kill(pid, signal.SIGKILL)
            self.finish(farm, accepted)

    def test_media_child_killed(self):
        with Farm().start(workers=2) as farm:
            accepted = farm.submit(LINES, *SMALL)
            killed = 0
            while killed < 3 and farm.batch(accepted["batch"])["clips"]["published"] < CLIPS:
                for pid, name in children_of(farm.coordinator.pid).items():
                    if name == "zoe-media" and killed < 3:
                        try:
                            os.kill(pid, signal.SIGKILL)
                            killed += 1
                        except ProcessLookupError:
                            pass
            self.assertGreater(killed, 0)
            self.finish(farm, accepted)

    def test_coordinator_killed_at_points(self):
        for point in COORDINATOR_POINTS:
            for count in (1, 4):
                with self.subTest(point=point, count=count), Farm() as farm:
                    farm.start_coordinator()
                    farm.worker_key("w1")
                    farm.worker_key("w2")
                    farm.kill_coordinator(signal.SIGTERM)
                    count += 10 if point.startswith("store") else 0
                    farm.start_coordinator(env={"ZOE_FAULT_KILL": f"{point}:{1 if point == 'submit.accepted' else count}"})
                    farm.start_worker("w1")
                    farm.start_worker("w2")
                    done = farm.run("submit", "-", *SMALL, "--key", "one", "--json", "--timeout", "3s", stdin="\n".join(LINES) + "\n")
                    eventually(lambda: farm.coordinator.poll() is not None, 60, f"the fault at {point} hits")
                    farm.start_coordinator()
                    accepted = farm.submit(LINES, *SMALL, "--key", "one")
                    if done.returncode == 0:
                        self.assertTrue(accepted["existed"])
                    self.finish(farm, accepted, orphans=2)
                    self.assertEqual(len(farm.zoe("batch", "list", json_out=True)["batches"]), 1)

    def test_a_result_that_cannot_be_checked_is_rendered_again(self):
        """A child that fails by its own words, as often as it is asked about the first result. Of bytes that are right it is the result's fault; of others our disk's."""
        fails = """case "$*" in *" check "*)
            if [ "$(wc -l < "$HERE/asked" 2>/dev/null || echo 0)" -lt %d ]; then
                echo "$5" >> "$HERE/asked"; %s
                echo '{"ok": false, "code": "io", "message": "picture 3: Input/output error"}'; exit 1
            fi;; esac
            exec "$REAL" "$@" """
        for times, then, failed in ((3, ":", 1), (2, ': > "$5"', 0)):
            with self.subTest(failed=failed), Farm() as farm:
                farm.programs["zoe-coordinator"] = liar(farm, "blind", fails % (times, then))
                farm.start_coordinator()
                farm.start_worker("w1")
                accepted = farm.submit(LINES[:1], *SMALL)
                farm.wait(accepted["batch"])
                self.assertEqual(farm.batch(accepted["batch"])["attempts"], 2)
                self.assertEqual([w["failed"] for w in farm.zoe("worker", "list", json_out=True)["workers"]], [failed])

    def test_a_stored_segment_that_cannot_be_read_is_rendered_again(self):
        """The first stitch finds it as it was stored; before that its disk has put other bytes there, and a child can only say that it does not read them."""
        fails = """case "$*" in *" stitch "*)
            segment=$(find "$HERE/../coordinator/artifacts" -type f -path '*/??/*')
            [ -e "$HERE/hit" ] || dd if=/dev/zero of="$segment" bs=64 count=1 conv=notrunc 2>"$HERE/hit"
            if cmp -s -n 64 "$segment" /dev/zero; then echo '{"ok": false, "code": "io", "message": "picture 3: Input/output error"}'; exit 1; fi;; esac
            exec "$REAL" "$@" """
        with Farm() as farm:
            farm.programs["zoe-coordinator"] = liar(farm, "rotten", fails)
            farm.start_coordinator()
            farm.start_worker("w1")
            accepted = farm.submit(LINES[:1], *SMALL)
            farm.wait(accepted["batch"])
            self.assertEqual(farm.batch(accepted["batch"])["attempts"], 2)
            self.assertEqual([w["failed"] for w in farm.zoe("worker", "list", json_out=True)["workers"]], [0])

    def test_a_child_that_begins_after_its_coordinator_is_gone_writes_nothing(self):
        """It was forked and did not get a processor before the coordinator was killed; the child of the next one has just made the same video under the same name."""
        late = """case "$*" in *" stitch "*)
            if mkdir "$HERE/first" 2>/dev/null; then
                echo $$ > "$HERE/pid"
                while [ ! -e "$HERE/go" ]; do sleep 0.02; done
            elif mkdir "$HERE/second" 2>/dev/null; then
                "$REAL" "${@:3}" > "$HERE/answer"
                touch "$HERE/made"
                while [ ! -e "$HERE/over" ]; do sleep 0.02; done
                cat "$HERE/answer"; exit 0
            fi;; esac
            exec "$REAL" "$@" """
        with Farm() as farm:
            farm.programs["zoe-coordinator"] = programs = liar(farm, "late", late)
            farm.start_coordinator()
            farm.start_worker("w1")
            accepted = farm.submit(LINES[:1], *SMALL)
            eventually(lambda: (programs / "pid").exists() and (programs / "pid").read_text().strip(), 60, "a child is about to begin")
            orphan = pathlib.Path("/proc", (programs / "pid").read_text().strip())
            try:
                farm.kill_coordinator()
                farm.start_coordinator()
                eventually((programs / "made").exists, 60, "the next child makes the video")
                video, = (farm.state / "renders" / accepted["folder"]).glob(".tmp-*.mp4")
                before = video.stat().st_mtime_ns
                (programs / "go").touch()
                eventually(lambda: not orphan.exists(), 60, "the first child ends")
                self.assertEqual(video.stat().st_mtime_ns, before, "somebody else wrote to it")
            finally:
                for gate in ("go", "over"):
                    (programs / gate).touch()
            farm.wait(accepted["batch"])

    def over_a_kill(self, farm, point, *words, stdin=None):
        """A command whose coordinator dies at this point, once, and is started again while the command waits."""
        farm.kill_coordinator(signal.SIGTERM)
        farm.start_coordinator(env={"ZOE_FAULT_KILL": point})
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            done = pool.submit(farm.run, *words, "--json", stdin=stdin)
            eventually(lambda: farm.coordinator.poll() is not None, 60, f"the fault at {point} hits")
            farm.start_coordinator()
            result = done.result()
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_what_is_asked_twice_is_done_once(self):
        """The answer is lost with the coordinator, and the client asks again: for one more batch, or for the last one to go."""
        with Farm() as farm:
            farm.start_coordinator()
            for name in ("first", "second"):
                farm.submit(LINES, *SMALL, "--again", "--name", name)
                farm.zoe("batch", "cancel", "last")
            again = self.over_a_kill(farm, "submit.accepted:1", "submit", "-", *SMALL, "--again", "--name", "third", stdin="\n".join(LINES) + "\n")["batch"]
            self.assertEqual([b["name"] for b in farm.zoe("batch", "list", json_out=True)["batches"]].count("third"), 1)
            farm.zoe("batch", "cancel", again)
            self.over_a_kill(farm, "removal.committed:1", "batch", "remove", "last")
            self.assertEqual(sorted(b["name"] for b in farm.zoe("batch", "list", json_out=True)["batches"]), ["first", "second"])

    def test_a_damaged_prompt_holds_up_nobody(self):
        """Its clips cannot begin anywhere: that is no worker's fault, and others' clips go on."""
        with Farm() as farm:
            farm.start_coordinator()
            bad = farm.submit([f"prompt number {n} of many words" for n in range(300)], *SMALL)["batch"]
            file = farm.state / "prompts" / f"{bad}.prompts"
            farm.kill_coordinator(signal.SIGTERM)
            with open(file, "r+b") as out:
                out.seek(60)
                byte = out.read(1)
                out.seek(60)
                out.write(bytes([byte[0] ^ 0xff]))
            farm.start_coordinator()
            farm.start_worker("w1")
            eventually(lambda: "came back" in farm.zoe("explain", f"{bad}/0"), 30, "its clip came back")
            self.assertRegex(farm.zoe("explain", f"{bad}/0"), "before it could begin, the last: .*prompts")
            good = farm.submit(["a sound one"] * 8, *SMALL)["batch"]
            farm.wait(good)
            events = farm.zoe("events", json_out=True)["events"]
            self.assertEqual([e for e in events if e["kind"] in ("attempt.hung", "attempt.lost")], [])
            worker = farm.zoe("worker", "list", json_out=True)["workers"][0]
            self.assertEqual((worker["failed"], worker["lost"]), (0, 0))

    def test_coordinator_killed_in_mid_batch(self):
        with Farm().start(workers=2) as farm:
            accepted = farm.submit(LINES, *SMALL)
            for after in (1, 4):
                farm.wait_published(accepted["batch"], after)
                farm.kill_coordinator()
                farm.start_coordinator()
            self.finish(farm, accepted, orphans=2)

    def stop_an_engine(self, farm, kind):
        """Stops an engine in mid-batch; its pid if that led to an event of this kind, None if it had just ended its task."""
        accepted = farm.submit(LINES, *SMALL, "--again")
        farm.wait_published(accepted["batch"], 1)
        stopped = eventually(lambda: engines(farm), 30, "an engine runs")[0]
        os.kill(stopped, signal.SIGSTOP)
        self.finish(farm, accepted)
        kinds = [e["kind"] for e in farm.zoe("events", "--batch", accepted["batch"], json_out=True)["events"]]
        if kind in kinds:
            return stopped
        os.kill(stopped, signal.SIGKILL)
        return None

    def stop_engines_until(self, farm, kind):
        stopped = next(filter(None, (self.stop_an_engine(farm, kind) for _ in range(5))), None)
        self.assertIsNotNone(stopped, f"five batches, and no {kind}")
        eventually(lambda: not pathlib.Path(f"/proc/{stopped}/exe").exists(), 30, "the stopped engine is ended")

    def test_engine_stopped_is_hung(self):
        """Nobody else could take a copy: the lease's limit finds it."""
        with Farm().start(workers=1) as farm:
            self.stop_engines_until(farm, "attempt.hung")

    def test_engine_stopped_is_outrun(self):
        """Another worker is idle at the end of the batch: its copy wins before the limit."""
        with Farm().start(workers=2) as farm:
            self.stop_engines_until(farm, "attempt.copied")

    def test_worker_drains_on_sigterm(self):
        with Farm().start(workers=2) as farm:
            accepted = farm.submit(LINES, *SMALL)
            farm.wait_published(accepted["batch"], 1)
            farm.kill_worker("w1", signal.SIGTERM)
            self.finish(farm, accepted)

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small tmpfs needs root")
    def test_full_artifact_disk(self):
        with Farm() as farm:
            disk = farm.state / "artifacts"
            with farm.small_disk(disk, "size=4m"):
                farm.start(workers=2)
                ballast = disk / "tmp" / "ballast"
                accepted = farm.submit(LINES, *SMALL)
                farm.wait_published(accepted["batch"], 1)
                ballast.parent.mkdir(exist_ok=True)
                fill(ballast)
                eventually(lambda: farm.zoe("status", json_out=True)["disk_low"], 30, "the farm sees the full disk")
                refused = farm.run("submit", "-", *SMALL, stdin="another\n")
                self.assertEqual(refused.returncode, 6, refused.stderr)
                ballast.unlink()
                self.finish(farm, accepted)

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small tmpfs needs root")
    def test_full_state_disk(self):
        """Not even the database can be written."""
        with Farm() as farm:
            with farm.small_disk(farm.state, "size=24m"):
                farm.start(workers=2)
                ballast = farm.state / "ballast"
                accepted = farm.submit(LINES, *SMALL)
                farm.wait_published(accepted["batch"], 1)
                fill(ballast)
                eventually(lambda: '"store_state": "full"' in farm.run("status", "--json").stdout, 60, "the database is full")
                refused = farm.run("submit", "-", *SMALL, stdin="another\n")
                self.assertEqual(refused.returncode, 6, refused.stderr)
                ballast.unlink()
                self.finish(farm, accepted)

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small tmpfs needs root")
    def test_full_worker_disk(self):
        """What waits for it says so; what was rendered before asks for no room of what comes next."""
        small = [*SMALL, "--size", "64x64"]
        with Farm() as farm:
            farm.start_coordinator()
            disk = farm.worker_key("w1")
            key = (disk / "worker.key").read_bytes()
            with farm.small_disk(disk, "size=40m,mode=700"):
                (disk / "worker.key").write_bytes(key)
                (disk / "worker.key").chmod(0o600)
                farm.start_worker("w1")
                farm.wait(farm.submit("large", "--model", "pattern", "--size", "512x512", "--frames", "16", "--steps", "1")["batch"])
                ballast = disk / "ballast"
                ballast.write_bytes(b"x" * (10 << 20))
                farm.wait(farm.submit("beside ballast", *small)["batch"], seconds=60)
                ballast.write_bytes(b"x" * (26 << 20))
                eventually(lambda: farm.zoe("explain", "w1", json_out=True)["code"] == "worker_disk", 30, "the farm sees the full disk")
                batch = farm.submit("beside more of it", *small)["batch"]
                self.assertEqual(farm.zoe("explain", batch, json_out=True)["code"], "worker_disk")
                self.assertEqual(farm.zoe("explain", f"{batch}/0", json_out=True)["code"], "worker_disk")
                ballast.unlink()
                farm.wait(batch)

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small tmpfs needs root")
    def test_fetched_models_make_room_for_others(self):
        """56 MiB are free; 13 of a model, 16 for results and 64 that are always left do not fit beside one that nobody uses."""
        with Farm() as farm:
            disk = farm.folder / "workers" / "w1"
            with farm.small_disk(disk, "size=128m,mode=755"):
                farm.start_coordinator()
                farm.models = [disk / "of-the-user"]
                models = {farm.models[0] / "large": 300, disk / "models" / ("a" * 64): 200, disk / "models" / ("b" * 64): 100}
                for folder, age_s in models.items():
                    folder.mkdir(parents=True)
                    (folder / "weights").write_bytes(bytes(24 << 20))
                    os.utime(folder, (time.time() - age_s,) * 2)
                farm.start_worker("w1", "--threads", "1")
                farm.wait(farm.submit("a cat\n", "--model", "shapes", "--steps", "1", "--frames", "1")["batch"])
                self.assertEqual([folder.exists() for folder in models], [True, False, False])


if __name__ == "__main__":
    unittest.main()
