"""What power_shim wrote down, and the folders as a power cut at any point of it would have left them.

The model is harder than most file systems: a file has the content of its last fsync, and its name stands where the last fsync of its *folder* saw it (a rename across folders
is two changes, one in each). What came after the last sync is gone (`drop`), or there in part (`tear`): from the seed, any subset of a file's writes, each cut into sectors of
512 bytes of which any may be missing, and of each folder the first few changes. `keep` is the state after a mere SIGKILL.
"""
import os
import struct

CREATE, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, RENAME, LINK, UNLINK, MKDIR, RMDIR, FOLDER = range(1, 12)
HEADER = struct.Struct("=IIQQQQQIIII")
MAGIC = 0x5257505A
SECTOR = 512
MODES = ("drop", "tear", "keep")


class Record:
    __slots__ = ("kind", "stamp_ns", "ino", "parent", "other", "offset", "name", "data", "pid")

    def __init__(self, header, name, data):
        _, self.kind, self.stamp_ns, self.ino, self.parent, self.other, self.offset, _, _, self.pid, _ = header
        self.name, self.data = name, data


def read(path):
    """All records, in order. A last one that is not whole (its process was killed in it) is left out."""
    records = []
    with open(path, "rb") as log:
        while len(head := log.read(HEADER.size)) == HEADER.size:
            header = HEADER.unpack(head)
            if header[0] != MAGIC:
                raise ValueError(f"{path}: no record at {log.tell() - HEADER.size}")
            name, data = log.read(header[7]), log.read(header[8])
            if len(name) + len(data) != header[7] + header[8]:
                break
            records.append(Record(header, os.fsdecode(name), data))
    return records


class File:
    def __init__(self):
        self.durable, self.pending = bytearray(), []   # content of the last sync; (offset, data) or (size, None) since
        self.begun = {}                                # token of a running sync: how many pending ones it covers

    def sync_end(self, token):
        count = self.begun.pop(token, 0)
        for change in self.pending[:count]:
            apply(self.durable, change)
        del self.pending[:count]
        self.begun = {other: max(0, n - count) for other, n in self.begun.items()}

    def after(self, mode, draw):
        content = bytearray(self.durable)
        if mode == "keep":
            for change in self.pending:
                apply(content, change)
        elif mode == "tear":
            for change in self.pending:
                tear(content, change, draw)
        return content


class Folder:
    def __init__(self, names=()):
        self.durable, self.pending = dict(names), []   # name: node; (name, node or None) since
        self.begun = {}

    def sync_end(self, token):
        count = self.begun.pop(token, 0)
        change_names(self.durable, self.pending[:count])
        del self.pending[:count]
        self.begun = {other: max(0, n - count) for other, n in self.begun.items()}

    def after(self, mode, draw):
        names = dict(self.durable)
        change_names(names, self.pending[:{"drop": 0, "keep": len(self.pending)}.get(mode, draw.randint(0, len(self.pending)))])
        return names


def change_names(names, changes):
    for name, node in changes:
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def apply(content, change):
    offset, data = change
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset:offset + len(data)] = data


def tear(content, change, draw):
    """All of a change, nothing, or some sectors."""
    kind = draw.random()
    if kind < 0.3:
        return
    offset, data = change
    if kind < 0.6 or data is None:
        return apply(content, change)
    at = 0
    while at < len(data):
        size = min(SECTOR - (offset + at) % SECTOR, len(data) - at)
        if draw.random() < 0.5:
            apply(content, (offset + at, data[at:at + size]))
        at += size


class Disk:
    """The state after the first n records. `root` is the folder that the shim watched."""

    def __init__(self, records, root):
        self.records, self.at = records, 0
        self.nodes = {}                       # inode number: File or Folder that has it now
        self.root, self.top = str(root), Folder()
        self.faults = {"syncs": 0, "changes": 0}

    def forward(self, n):
        while self.at < n:
            self.take(self.records[self.at])
            self.at += 1
        return self

    # -- nodes ---------------------------------------------------------------------------------------

    def file(self, ino):
        node = self.nodes.get(ino)
        if not isinstance(node, File):
            node = self.nodes[ino] = File()
        return node

    def folder(self, ino):
        node = self.nodes.get(ino)
        if not isinstance(node, Folder):
            raise ValueError(f"folder {ino} was never told of")
        return node

    def there_before(self, r):
        """A folder that nobody saw made (the harness made it): it stands, durably, and so do those above it."""
        if isinstance(self.nodes.get(r.ino), Folder):
            return
        path = os.path.relpath(os.fsdecode(r.data), self.root)
        if path.startswith(".."):
            return
        parts = [] if path == "." else path.split("/")
        node = self.top
        for depth, part in enumerate(parts):
            below = node.durable.get(part)
            if not isinstance(below, Folder):
                below = node.durable[part] = Folder()
            node = below
        self.nodes[r.ino] = node

    # -- records -------------------------------------------------------------------------------------

    def take(self, r):
        if r.kind == FOLDER:
            return self.there_before(r)
        if r.kind in (SYNC_BEGIN, SYNC_END):
            return self.sync(r)
        self.faults["changes"] += 1
        if r.kind == WRITE:
            self.file(r.ino).pending.append((r.offset, r.data))
        elif r.kind == TRUNCATE:
            self.file(r.ino).pending.append((r.offset, None))
        elif r.kind == CREATE:
            self.nodes[r.ino] = File()
            self.folder(r.parent).pending.append((r.name, self.nodes[r.ino]))
        elif r.kind == MKDIR:
            self.nodes[r.ino] = Folder()
            self.folder(r.parent).pending.append((r.name, self.nodes[r.ino]))
        elif r.kind == LINK:
            self.folder(r.parent).pending.append((r.name, self.nodes[r.ino]))
        elif r.kind in (UNLINK, RMDIR):
            self.folder(r.parent).pending.append((r.name, None))
        elif r.kind == RENAME:
            node = self.nodes.get(r.ino) or self.file(r.ino)
            self.folder(r.other).pending.append((os.fsdecode(r.data), node))
            self.folder(r.parent).pending.append((r.name, None))

    def sync(self, r):
        node = self.nodes.get(r.ino)
        if node is None:
            return      # a file that was there before, and that nobody wrote to
        if r.kind == SYNC_BEGIN:
            node.begun[r.offset] = len(node.pending)
        else:
            self.faults["syncs"] += 1
            node.sync_end(r.offset)

    # -- the cut -------------------------------------------------------------------------------------

    def unsynced(self):
        """Changes that a cut here would put at risk."""
        return sum(len(node.pending) for node in self.nodes.values())

    def rebuild(self, target, mode, draw, skip=lambda path: False):
        """Writes the folders as they would be found after the cut below `target`."""
        written = {}     # node: path, for further names of the same file

        def put(folder, path):
            os.makedirs(path, mode=0o700, exist_ok=True)
            for name, node in sorted(folder.after(mode, draw).items()):
                place = os.path.join(path, name)
                if isinstance(node, Folder):
                    put(node, place)
                elif skip(place):
                    continue
                elif id(node) in written:
                    os.link(written[id(node)], place)
                else:
                    with open(place, "wb", opener=lambda p, f: os.open(p, f, 0o600)) as out:
                        out.write(node.after(mode, draw))
                    written[id(node)] = place

        put(self.top, str(target))
