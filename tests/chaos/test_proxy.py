"""The bad network does what it says, and counts it."""
import pathlib
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from proxy import Proxy


class Echo:
    """Sends back what it gets."""

    def __enter__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.at = "{}:{}".format(*self.server.getsockname())
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def accept(self):
        try:
            while True:
                threading.Thread(target=self.echo, args=(self.server.accept()[0],), daemon=True).start()
        except OSError:
            pass

    @staticmethod
    def echo(link):
        with link:
            try:
                while data := link.recv(65536):
                    link.sendall(data)
            except OSError:
                pass

    def __exit__(self, *_):
        self.server.close()


def dial(proxy):
    host, port = proxy.url.removeprefix("tcp://").rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=20)


def read(link, size):
    got = b""
    while len(got) < size:
        piece = link.recv(size - len(got))
        if not piece:
            break
        got += piece
    return got


class TestProxy(unittest.TestCase):
    def exchange(self, size=1000, **faults):
        with Echo() as echo, Proxy(echo.at, 1, **faults) as proxy, dial(proxy) as link:
            sent, begun = bytes(n % 251 for n in range(size)), time.monotonic()
            link.sendall(sent)
            got = read(link, size)
            return sent, got, time.monotonic() - begun, proxy.counts()

    def test_passes_bytes_on(self):
        sent, got, _, counts = self.exchange(300_000)
        self.assertEqual(sent, got)
        self.assertEqual(counts["bytes"], 600_000)

    def test_delays_each_way(self):
        sent, got, seconds, _ = self.exchange(delay_ms=150)
        self.assertEqual(sent, got)
        self.assertGreaterEqual(seconds, 0.3)

    def test_a_lost_packet_is_a_pause(self):
        sent, got, seconds, counts = self.exchange(loss=1, resend_ms=200)
        self.assertEqual(sent, got)
        self.assertGreaterEqual(seconds, 0.4)
        self.assertGreaterEqual(counts["packets_lost"], 2)

    def test_turns_one_bit(self):
        sent, got, _, counts = self.exchange(40_000, garble_share=1)
        turned = [a ^ b for a, b in zip(sent, got) if a != b]
        self.assertEqual(len(turned), 1)
        self.assertEqual(bin(turned[0]).count("1"), 1)
        self.assertEqual(counts["connections_garbled"], 1)

    def test_caps_the_bandwidth(self):
        _, _, seconds, _ = self.exchange(100_000, bytes_per_s=100_000)
        self.assertGreaterEqual(seconds, 0.9)

    def test_resets(self):
        with Echo() as echo, Proxy(echo.at, 1) as proxy, dial(proxy) as link:
            link.sendall(b"x")
            self.assertEqual(read(link, 1), b"x")
            self.assertEqual(proxy.reset()["resets"], 1)
            with self.assertRaises(ConnectionResetError):
                link.recv(1)

    def test_resets_by_itself(self):
        with Echo() as echo, Proxy(echo.at, 1, reset_every_s=0.2) as proxy, dial(proxy) as link:
            with self.assertRaises(ConnectionResetError):
                link.recv(1)
            self.assertEqual(proxy.counts()["resets"], 1)

    def test_half_open_then_reset(self):
        with Echo() as echo, Proxy(echo.at, 1, half_open_every_s=0.2, half_open_s=0.5) as proxy, dial(proxy) as link:
            time.sleep(0.4)     # the fault strikes an idle connection
            link.sendall(b"x")
            begun = time.monotonic()
            with self.assertRaises(ConnectionResetError):
                link.recv(1)
            self.assertGreater(time.monotonic() - begun, 0.1)
            self.assertEqual(proxy.counts()["half_open"], 1)


if __name__ == "__main__":
    unittest.main()
