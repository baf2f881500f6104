"""A small web server on loopback whose faults are chosen: files with ETag and Range, answers that break off, statuses, redirects, tokens, and the part of the
Hugging Face hub's API that `zoe model add hf:...` asks. Everything asked is noted."""
import hashlib
import http.server
import json
import pathlib
import threading
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        server = self.server.owner
        path = urllib.parse.unquote(self.path.split("?")[0])
        server.asked.append((path, dict(self.headers)))
        if server.token and path not in server.open and self.headers.get("Authorization") != f"Bearer {server.token}":
            return self.answer(401, b"a token is needed")
        if server.statuses.get(path):
            return self.answer(server.statuses[path].pop(0), b"not now")
        if path in server.redirects:
            return self.answer(302, b"over there", Location=server.redirects[path], **server.linked.get(path, {}))
        if path not in server.files:
            return self.answer(404, b"nothing here")
        return self.send_file(server, path)

    def send_file(self, server, path):
        body, first = server.files[path], 0
        etag = '"' + hashlib.md5(body).hexdigest() + '"'
        wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if wanted and not server.no_ranges and condition in (None, etag):
            first = int(wanted.split("=")[1].split("-")[0])
            if first >= len(body):
                return self.answer(416)
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        if not server.no_etags:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        silent = server.silences.get(path)
        drops = silent or server.drops.get(path)
        part = body[first:first + drops.pop(0)] if drops else body[first:]
        self.wfile.write(part)
        server.sent[path] = server.sent.get(path, 0) + len(part)
        if len(part) < len(body) - first:
            self.close_connection = True
        if silent:
            self.rfile.read(1)  # until the client has had enough


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Clients that leave in the middle are what the tests are about."""


class Loopback:
    """with Loopback() as web: web.files["/x"] = b"..."; f"{web.url}/x\""""

    def __init__(self):
        self.files, self.statuses, self.redirects, self.linked, self.drops, self.silences, self.sent = {}, {}, {}, {}, {}, {}, {}
        self.asked, self.open, self.token = [], set(), None
        self.no_ranges = self.no_etags = False

    def __enter__(self):
        self.http = Server(("127.0.0.1", 0), Handler)
        self.http.owner = self
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()
        return self

    def __exit__(self, *why):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    def add_folder(self, prefix, folder):
        for path in sorted(pathlib.Path(folder).rglob("*")):
            if path.is_file():
                self.files[f"{prefix}/{path.relative_to(folder)}"] = path.read_bytes()

    def add_repository(self, name, folder, extra=(), licence="cc-by-nc-4.0", commit="5" * 40, lfs=".safetensors"):
        """The hub's answer and files for a folder; `extra` names further files {path: bytes}."""
        files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(pathlib.Path(folder).rglob("*")) if p.is_file()}
        files.update(dict(extra))
        siblings = []
        for path, body in files.items():
            row = {"rfilename": path, "size": len(body)}
            if path.endswith(lfs):
                row["lfs"] = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 133}
            siblings.append(row)
            self.files[f"/{name}/resolve/{commit}/{path}"] = body
        card = {"id": name, "sha": commit, "siblings": siblings, "tags": [f"license:{licence}"], "cardData": {"license": licence}, "gated": False}
        for revision in ("main", commit, "v1"):
            self.files[f"/api/models/{name}/revision/{revision}"] = json.dumps(card).encode()
