"""Parts of a judgement that need not wait for each other, each in a process of its own: forked, so that it knows what its parent knows. What it finds comes back when it ends."""
import contextlib
import os
import pickle
import signal
import traceback

JOBS = max(1, min(4, os.cpu_count() or 1))


class Tickets:
    """Numbers from 0 on; whoever is free takes the next. They wait in a pipe, which all jobs have."""
    SIZE = 4
    MOST = 16_000      # what a pipe holds

    def __init__(self, count):
        if count > self.MOST:
            raise ValueError(f"{count} tickets: {self.MOST} at most")
        self.read_end, write_end = os.pipe()
        os.write(write_end, b"".join(number.to_bytes(self.SIZE, "little") for number in range(count)))
        os.close(write_end)

    def __iter__(self):
        while ticket := os.read(self.read_end, self.SIZE):
            yield int.from_bytes(ticket, "little")


def stop(*_):
    signal.signal(signal.SIGTERM, lambda *_: None)     # tidying up is not broken off
    raise KeyboardInterrupt


class Job:
    def __init__(self, work):
        read_end, write_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.serve(write_end, work)    # does not come back
        os.close(write_end)
        self.answer = os.fdopen(read_end, "rb")

    @staticmethod
    def serve(write_end, work):
        """Nothing of the parent's is cleaned up here, and what was begun here is. A terminal's Ctrl-C is the parent's to hear, which then ends this."""
        code = 1
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, stop)
        try:
            with os.fdopen(write_end, "wb") as out:
                pickle.dump(work(), out)
            code = 0
        except KeyboardInterrupt:
            pass
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def result(self):
        """None: it broke off."""
        with self.answer:
            said = self.answer.read()
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        return pickle.loads(said) if status == 0 else None

    def end(self):
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            os.waitpid(self.pid, 0)


def results(work, count=JOBS):
    """What each of so many calls of `work` returned; None for one that broke off."""
    jobs = []
    try:
        jobs.extend(Job(work) for _ in range(count))
        return [job.result() for job in jobs]
    finally:
        for job in jobs:
            job.end()
