#!/usr/bin/env python3
"""Writes the corpus of fuzz_dialogue: one short conversation for each message that peers send, made from proto/farm.proto, so that a new message gets its own.

    tests/fuzz/make_dialogue.py FOLDER
"""
import pathlib
import re
import struct
import sys

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto" / "farm.proto"
WORKER, BULK, ADMIN, SUBMIT = 0, 2, 3, 4
PATCH = 1

# What a field holds when its name says so; the rest follows from the type.
BYTES = {"boot_id": 16, "key": 32, "token": 6, "proof": 32, "data": 64, "frames": 48, "sha256": 32}
TEXTS = {"role": "worker", "format": "text", "options": "{}", "kind": "segment", "backend": "cpu", "id": "0123456789ab", "path": "input",
         "batch": "last", "subject": "last", "fingerprint": "a test", "machine_id": "machine", "name": "w3", "state": ""}
NUMBERS = {"version_min": 4, "version_max": 4, "connection": 1, "step": 1, "steps": 2, "size_bytes": 100, "frames": 4, "width": 16, "height": 16, "ttl_s": 60, "uses": 1}


def read_proto(text):
    text = re.sub(r"//.*", "", text)
    enums = set(re.findall(r"enum (\w+)", text))
    messages = {}
    for name, body in re.findall(r"message (\w+) \{((?:[^{}]|\{[^{}]*\})*)\}", text):
        messages[name] = [(label, kind, field, int(number)) for label, kind, field, number in re.findall(r"(repeated )?(\w+) (\w+) = (\d+);", body)]
    return messages, enums


def varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while True:
        out.append(value & 127 | (128 if value > 127 else 0))
        value >>= 7
        if not value:
            return bytes(out)


def blob(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


class Maker:
    def __init__(self):
        self.messages, self.enums = read_proto(PROTO.read_text())

    def field(self, kind, name, number):
        if kind in self.messages:
            return blob(number, self.message(kind))
        if kind == "string":
            return blob(number, TEXTS.get(name, "a").encode())
        if kind == "bytes":
            return blob(number, bytes(BYTES.get(name, 32)))
        value = NUMBERS.get(name, 0 if name in ("index", "slot", "task", "clip", "output", "offset", "request") else 1)
        return varint(number << 3) + varint(value)

    def message(self, name):
        return b"".join(self.field(kind, field, number) for _, kind, field, number in self.messages[name])

    def envelope(self, body):
        for _, kind, field, number in self.messages["Envelope"]:
            if field == body:
                return varint(1 << 3) + varint(4) + varint(2 << 3) + varint(7) + blob(number, self.message(kind))
        raise KeyError(body)


def record(who, envelope, payload_kib=0):
    return bytes([who, PATCH | payload_kib << 1]) + struct.pack("<H", len(envelope)) + envelope


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    maker = Maker()
    rows = re.findall(r"ROW\(\w+, (\w+), ([^,]+), [^,]+, (true|false)\)", (PROTO.parent / "message.c").read_text().replace("\n", " "))
    for body, senders, payload in rows:
        speakers = [who for word, who in (("WORKER", WORKER), ("CLIENT", ADMIN), ("OPERATE", ADMIN), ("ADMIN", ADMIN), ("JOINER", WORKER))
                    if re.search(rf"(?<!TO_)\b{word}\b", senders)]
        for who in sorted(set(speakers)):
            said = record(who, maker.envelope(body), 1 if payload == "true" else 0)
            (folder / f"{body}_{who}").write_bytes(said + record(who, maker.envelope("heartbeat" if who == WORKER else "status_wanted")))
    result = [record(WORKER, maker.envelope(body), kib) for body, kib in (("started", 0), ("progress", 0), ("checkpoint", 0), ("offer", 0), ("chunk", 1), ("ended", 0), ("leaving", 0))]
    (folder / "a_task").write_bytes(b"".join(result))
    steering = [record(ADMIN, maker.envelope(body)) for body in ("batch_action", "worker_action", "key_revoke", "token_create", "owner_set", "audit_wanted", "explain_wanted")]
    (folder / "steering").write_bytes(b"".join(steering))


if __name__ == "__main__":
    main()
