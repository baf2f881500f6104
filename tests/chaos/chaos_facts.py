"""What the farm wrote down about its attempts, read from its database while it runs. Only for what a scenario says about leases and ends; what was published is judged
from the tree and the clients' own log."""
import sqlite3

ENDS = ("live", "done", "handed_back", "preempted", "lost", "hung", "failed", "rejected", "recipe", "canceled", "superseded", "suspect", "compared")
BLAMED = ("hung", "failed", "rejected")


class Attempt:
    def __init__(self, row):
        self.batch, self.clip, self.task, self.fence, self.worker, end, self.begun_ms, lasted_ms, self.computed, self.wasted, self.resumed, self.message = row
        self.end = ENDS[end]
        self.ended_ms = None if lasted_ms is None else self.begun_ms + lasted_ms
        self.where = (self.batch, self.clip, self.task)

    def lived_at(self, ms):
        return self.begun_ms <= ms and (self.ended_ms is None or self.ended_ms >= ms)


class Facts:
    def __init__(self, path):
        base = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
        rows = base.execute("SELECT b.id, a.clip, a.task, a.fence, w.text, a.end, a.begun_ms, a.lasted_ms, coalesce(a.computed, 0), coalesce(a.wasted, 0),"
                            " coalesce(a.resumed_step, 0), coalesce(a.message, '') FROM attempt a JOIN batch b ON b.sequence = a.batch JOIN word w ON w.id = a.worker"
                            " ORDER BY a.batch, a.clip, a.task, a.fence").fetchall()
        self.segments = [row[0] for row in base.execute(  # verified, of clips that are not being published yet; the newest last
            "SELECT lower(hex(o.sha256)) FROM output o JOIN word w ON w.id = o.kind WHERE w.text = 'segment' AND NOT EXISTS(SELECT 1 FROM clip c WHERE c.batch = o.batch"
            " AND c.clip = o.clip)").fetchall()]
        base.close()
        self.attempts = [Attempt(row) for row in rows]
        self.by_task = {}
        for attempt in self.attempts:
            self.by_task.setdefault(attempt.where, []).append(attempt)

    def of_worker(self, name):
        return [a for a in self.attempts if a.worker == name]

    def ended(self, *ends):
        return [a for a in self.attempts if a.end in ends]

    def after(self, attempt):
        """The next attempt at the same task, or None."""
        same = self.by_task[attempt.where]
        place = same.index(attempt) + 1
        return same[place] if place < len(same) else None
