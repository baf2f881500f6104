"""A worker is cut off, in both directions or only in one, longer than silence and grace; then it comes back with its results. What it held was done elsewhere: its results are
dropped, and no published file changes. Or it comes back before anybody else was done: then one of the two results counts, once."""
import hashlib
import subprocess
import time

import chaos_verdict
from chaos_run import CannotRun, Scenario, folder_of
from farm import SLOW

STEPS = 8
FAR, HERE, THERE = "far", "10.213.7.1", "10.213.7.2"
LINK = "near"
LOST_S = 10 + 15 + 5         # silence, grace, and five more when the loop was late (L2, L4)
DIRECTIONS = {"both directions": ("in", "out"), "what the worker says": ("in",), "what the coordinator says": ("out",)}


def sh(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotRun(f"{' '.join(words)}: {done.stderr.strip()}")


class Network:
    """A second network namespace behind one link, and a filter on it. The run's own namespaces take all of it along when they end."""

    def __init__(self):
        sh("mount", "-t", "tmpfs", "tmpfs", "/run")  # where ip keeps the names of namespaces; ours alone
        folder_of("/run/netns")
        sh("ip", "link", "set", "lo", "up")
        sh("ip", "netns", "add", FAR)
        sh("ip", "link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", FAR)
        sh("ip", "addr", "add", f"{HERE}/24", "dev", LINK)
        sh("ip", "link", "set", LINK, "up")
        sh("ip", "-n", FAR, "addr", "add", f"{THERE}/24", "dev", "eth0")
        sh("ip", "-n", FAR, "link", "set", "eth0", "up")
        sh("ip", "-n", FAR, "link", "set", "lo", "up")
        sh("nft", "add", "table", "inet", "chaos")
        for hook in ("in", "out"):
            sh("nft", f"add chain inet chaos {hook} {{ type filter hook {hook}put priority 0; }}")

    def cut(self, hooks):
        for hook in hooks:
            sh("nft", "add", "rule", "inet", "chaos", hook, f"{hook[0]}ifname", LINK, "counter", "drop")

    def dropped(self):
        """Packets that the filter took."""
        done = subprocess.run(["nft", "list", "table", "inet", "chaos"], capture_output=True, text=True)
        words = done.stdout.split()
        return sum(int(words[n + 1]) for n, word in enumerate(words) if word == "packets")

    def heal(self):
        for hook in ("in", "out"):
            sh("nft", "flush", "chain", "inet", "chaos", hook)


class Partition:
    def __init__(self, run, network, victim, direction, early):
        self.run, self.network, self.victim, self.direction, self.early = run, network, victim, direction, early
        self.fault = f"partition: {direction}"

    def held(self):
        """Attempts that the victim is rendering."""
        return [a for a in self.run.facts().of_worker(self.victim) if a.end == "live"]

    def now(self, places):
        """State of the tasks: those of them that another attempt has done."""
        facts = self.run.facts()
        return [where for where in places if any(a.end == "done" for a in facts.by_task[where])]

    def lost_since(self, cut_ms):
        """Attempts of the victim that were lost since; what it had offered before is still being judged."""
        return [a for a in self.run.facts().of_worker(self.victim) if a.end == "lost" and a.ended_ms >= cut_ms]

    def play(self):
        run = self.run
        run.go(until=lambda: self.held() or run.over(), what="the victim renders something")
        run.tried[self.fault] += 1
        self.network.cut(DIRECTIONS[self.direction])
        cut_ms = time.time_ns() // 10**6
        run.go(until=lambda: self.lost_since(cut_ms), seconds=LOST_S + 30, what="what a silent worker holds is lost")
        took = (self.lost_since(cut_ms)[0].ended_ms - cut_ms) / 1000
        lost = [a.where for a in self.lost_since(cut_ms)]
        run.hits[self.fault] += bool(lost) and self.network.dropped() > 0
        run.expect(took <= LOST_S * SLOW, "what a silent worker holds is lost within silence and grace", f"{took:.1f} s")
        if not self.early:
            run.go(until=lambda: len(self.now(lost)) == len(lost), what="what the victim held is done elsewhere")
        before = self.published()
        self.network.heal()
        self.comes_back(lost)
        after = self.published()
        changed = [name for name, facts in before.items() if after.get(name) != facts]
        run.expect(not changed, "no published file changed when the zombie came back", changed[:3])

    def comes_back(self, lost):
        run, begun = self.run, time.monotonic()

        def back():
            shown = run.farm.ask("worker", "show", self.victim, timeout="2s")
            return shown and shown["state"] in ("idle", "busy") and shown["seen_s_ago"] < 4
        run.go(until=back, seconds=60, what="the victim is back")
        run.measured.setdefault("back_after_s", []).append(round(time.monotonic() - begun, 1))
        box = run.farm.folder / "workers" / self.victim / "outbox"
        old = {p.name for p in box.iterdir()}
        run.go(until=lambda: not old & {p.name for p in box.iterdir()}, what="the outbox of the victim is empty")
        facts = run.facts()
        for where in lost:
            run.expect(sum(a.end == "done" for a in facts.by_task[where]) <= 1, "each task is done once", str(where))

    def published(self):
        root = self.run.farm.state / "renders"
        return {str(p.relative_to(root)): (p.stat().st_mtime_ns, p.stat().st_ino, hashlib.sha256(p.read_bytes()).hexdigest()) for p in root.rglob("*.mp4") if not p.name.startswith(".")}


def plan(run):
    """(direction, early?) of each partition."""
    names = sorted(DIRECTIONS)
    if run.short:
        return [(run.draw.choice(names), False)]
    rounds = [(name, early) for name in names for early in (False, True)]
    run.draw.shuffle(rounds)
    return rounds


def run_it(run):
    network = Network()
    run.farm.ready = {"workers": f"tcp://{HERE}:*", "clients": f"tcp://{HERE}:*"}
    names = run.names()
    run.start(names=names[1:])
    run.farm.worker(names[0], "--threads", "1", prefix=("ip", "netns", "exec", FAR))
    run.load(steps=STEPS, step_ms=300)   # all six partitions have to strike something
    for direction, early in plan(run):
        Partition(run, network, names[0], direction, early).play()
    run.go()
    facts = run.facts()
    status = run.farm.zoe("status", json_out=True)
    run.measured.update(attempts_lost=len(facts.ended("lost")), late_results_dropped=status["offers_dropped"])
    run.expect(all(run.hits[fault] == run.tried[fault] for fault in run.tried), "every partition hit an attempt", dict(run.hits))
    run.expect(status["offers_dropped"] > 0, "late results were refused by their fence")
    chaos_verdict.nobody_blamed(run, facts)


SCENARIO = Scenario(6, "a worker is cut off from the network, also one way, and comes back with its results", run_it, short_tasks=40,
                    namespaces=("mount", "net"), tools=("unshare", "mount", "ip", "nft"))
