"""Two workers in two network namespaces; strangers and garbage at the door. Needs root for the namespaces, which the test makes and removes."""
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import unittest

from farm import BIN, SLOW, SOURCE, Farm, eventually

sys.path.insert(0, str(SOURCE / "tests/chaos"))
from proxy import Proxy  # noqa: E402

TAG = f"zt{os.getpid() % 10000}"


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Network:
    """A bridge with `count` namespaces on it: 10.213.7.1 is ours, .2 .. are theirs."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        ip("link", "add", f"{TAG}br", "type", "bridge")
        ip("addr", "add", "10.213.7.1/24", "dev", f"{TAG}br")
        ip("link", "set", f"{TAG}br", "up")
        for n in range(self.count):
            name = f"{TAG}n{n}"
            ip("netns", "add", name)
            ip("link", "add", f"{TAG}v{n}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"{TAG}v{n}", "master", f"{TAG}br", "up")
            ip("-n", name, "addr", "add", f"10.213.7.{n + 2}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        for n in range(self.count):
            subprocess.run(["ip", "netns", "del", f"{TAG}n{n}"], capture_output=True)
        subprocess.run(["ip", "link", "del", f"{TAG}br"], capture_output=True)


class DeadLine(unittest.TestCase):
    def test_a_worker_on_a_dead_line_dials_anew(self):
        """Something between the two forgot the connection without a word to either: both ends stay open, and one way is deaf for good."""
        with Farm() as farm:
            farm.start_coordinator()
            with Proxy(farm.ready["workers"], half_open_s=100000) as proxy:
                folder = farm.worker_key("far")
                farm.workers["far"] = farm.spawn("worker-far", [BIN / "zoe-worker", "--connect", proxy.url, "--server-key", farm.ready["public_key"], "--state", folder])
                state = lambda: next((w["state"] for w in farm.zoe("worker", "list", json_out=True)["workers"]), None)
                eventually(lambda: state() == "idle", 30 * SLOW, "it joins")
                proxy.set(half_open_every_s=0.05)
                eventually(lambda: proxy.counts().get("half_open", 0) == 1, 10 * SLOW, "the line is dead")
                proxy.set(half_open_every_s=0)
                log = farm.folder / "worker-far.log"
                eventually(lambda: "dialling anew" in log.read_text(), 90 * SLOW, "the worker gives the line up")
                accepted = farm.submit(["one"], "--model", "pattern", "--frames", "4", "--steps", "2")
                farm.wait(accepted["batch"], seconds=120)


def can_make_namespaces():
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    probe = f"{TAG}probe"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode == 0
    subprocess.run(["ip", "netns", "del", probe], capture_output=True)
    return made


class Strangers(unittest.TestCase):
    def test_garbage_disturbs_nothing(self):
        with Farm().start(workers=1) as farm:
            accepted = farm.submit([f"clip {n}" for n in range(6)], "--model", "pattern", "--frames", "4", "--steps", "2")
            noise = random.Random(7)
            peers = []
            for url in (farm.ready["workers"], farm.ready["clients"]) * 5:
                host, port = url.removeprefix("tcp://").rsplit(":", 1)
                peer = socket.create_connection((host, int(port)))
                peer.sendall(bytes.fromhex("ff00000000000000017f0300") if noise.random() < 0.5 else b"")
                peer.sendall(noise.randbytes(4096))
                peers.append(peer)
            farm.wait(accepted["batch"])
            for peer in peers:
                peer.close()

    def test_unknown_keys_are_refused_and_logged(self):
        with Farm().start(workers=1) as farm:
            folder = farm.folder / "stranger"
            folder.mkdir()
            stranger = farm.spawn("stranger", [BIN / "zoe-worker", "--connect", farm.ready["workers"], "--server-key", farm.ready["public_key"], "--state", folder])
            try:
                eventually(lambda: farm.zoe("status", json_out=True)["refused_keys"] > 0, 30, "the refusal is counted")
                log = (farm.folder / "coordinator.log").read_text()
                self.assertIn("refused", log)
                workers = eventually(lambda: farm.zoe("worker", "list", json_out=True)["workers"], 30, "the other one joins")
                self.assertEqual([w["name"] for w in workers], ["w1"])
            finally:
                farm.end(stranger)


@unittest.skipUnless(can_make_namespaces(), "network namespaces need root")
class Namespaces(unittest.TestCase):
    def test_two_workers_on_two_machines(self):
        with Network(2), Farm() as farm:
            farm.ready = {"workers": "tcp://10.213.7.1:*", "clients": "tcp://10.213.7.1:*"}
            farm.start_coordinator()
            farm.start_worker("near", prefix=["ip", "netns", "exec", f"{TAG}n0"])
            # The second machine has no model folder at all: everything comes over the wire.
            bare = farm.folder / "bare"
            shutil.copytree(BIN, bare / "bin")
            empty = farm.folder / "no-models"
            empty.mkdir()
            folder = farm.worker_key("far")
            far = ["ip", "netns", "exec", f"{TAG}n1", bare / "bin" / "zoe-worker", "--connect", farm.ready["workers"], "--server-key", farm.ready["public_key"],
                   "--state", folder, "--models", empty]
            farm.workers["far"] = farm.spawn("worker-far", far)
            # Both take work before there is any: else the near one may have done it all.
            eventually(lambda: [w["state"] for w in farm.zoe("worker", "list", json_out=True)["workers"]] == ["idle", "idle"], 60, "both workers wait for work")
            lines = ["a red circle moving right on a black background", "a blue square spinning on a white background", "a green ring growing on a gray background"]
            accepted = farm.submit(lines, "--model", "shapes", "--seeds", "2", "--steps", "2", "--frames", "4")
            farm.wait(accepted["batch"], seconds=240)
            workers = {w["name"]: w for w in farm.zoe("worker", "list", json_out=True)["workers"]}
            self.assertGreater(workers["far"]["finished"], 0)
            cached = list((folder / "models").glob("*/unet/diffusion_pytorch_model.safetensors"))
            self.assertEqual(len(cached), 1)
            original = SOURCE / "models/shapes/unet/diffusion_pytorch_model.safetensors"
            self.assertEqual(cached[0].read_bytes(), original.read_bytes())


class Firewall(unittest.TestCase):
    def test_the_one_in_the_handbook_loads_and_loads_again(self):
        apart = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--net"]
        if not (shutil.which("nft") and shutil.which("unshare")) or subprocess.run([*apart, "nft", "list", "ruleset"], capture_output=True).returncode != 0:
            self.skipTest("no nftables here, or no network of one's own")
        chapter = (SOURCE / "docs/security.md").read_text().split("## A firewall")[1].split("\n## ")[0]
        rules = "".join(line[4:] + "\n" for line in chapter.splitlines() if line.startswith("    "))
        list_twice = 'printf %s "$1" | nft -c -f - && for n in 1 2; do printf %s "$1" | nft -f - && nft list ruleset && echo ---- || exit 1; done'
        done = subprocess.run([*apart, "sh", "-c", list_twice, "sh", rules], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        first, second, _ = done.stdout.split("----\n")
        self.assertEqual(first, second)
        for needed in ("policy drop", "ipv6-icmp accept", "ip saddr limit rate over", "ip6 saddr & ffff:ffff:ffff:ffff:: limit rate over"):
            self.assertIn(needed, first)


if __name__ == "__main__":
    unittest.main()
