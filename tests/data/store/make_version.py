#!/usr/bin/env python3
"""Writes tests/data/store/version_N.sql: the database of version_(N-1).sql as step N of coordinator/migrate.c leaves it, plus a few rows for what is new.

A build keeps a database of every schema there ever was; run this once when a step is added, for its number, and add rows for its tables to NEW.
"""
import pathlib
import re
import sqlite3
import sys

HERE = pathlib.Path(__file__).resolve().parent
MIGRATE = HERE.parents[2] / "coordinator" / "migrate.c"

# What a build of that schema would have written for what is new in it.
NEW = {
    3: """UPDATE task SET fingerprint = 3 WHERE clip = 1; UPDATE input SET audio_ms = 2000;
          INSERT INTO event(at_ms, kind, batch, clip, worker, message) VALUES(1700000002500, 2, '0123456789', 1, 1, 'a word');""",
    4: "INSERT INTO retention VALUES(1, 7776000);",
    5: "INSERT INTO report VALUES(1, 1, CAST('{\"frames\":4}' AS BLOB));",
    6: """INSERT INTO token VALUES('0123456789ab', zeroblob(32), 'worker', 1700000000000, 1700086400000, 3, 1, 1, 'gpu', 'admin');
          INSERT INTO owner VALUES('ann', 3, 10, 100000, 5000000000);
          INSERT INTO audit(at_ms, by, role, action, subject, detail, allowed) VALUES(1700000003000, 'admin', 'admin', 'token.create', '0123456789ab', 'worker', 1);""",
    7: "INSERT INTO piece VALUES(1, CAST('{\"frames\":4}' AS BLOB));",
}


def steps():
    """[(name, sql)] of the table in migrate.c."""
    source = re.sub(r"/\*.*?\*/", "", MIGRATE.read_text(), flags=re.S)
    texts = {name: "".join(bytes(s, "utf-8").decode("unicode_escape") for s in re.findall(r'"((?:[^"\\]|\\.)*)"', body))
             for name, body in re.findall(r"static const char (\w+)\[\] =((?:\s*\"(?:[^\"\\]|\\.)*\")+);", source)}
    table = source[source.index("static const struct migration steps[]"):]
    rows = re.findall(r'\{"([^"]+)",\s*\{([^}]*)\}\}', table)
    return [(name, "".join(texts[p.strip()] for p in parts.split(",") if p.strip() != "NULL")) for name, parts in rows]


def load(path):
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(path.read_text())
    return db


def dump(db, words):
    """Like version_2.sql: tables in the order of their names, then indexes and triggers, so that loading fires none."""
    lines = [f"-- {words}", "BEGIN TRANSACTION;"]
    rows = db.execute("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name").fetchall()
    for kind, name, sql in rows:
        if kind != "table":
            continue
        lines.append(sql + ";")
        columns = [c[1] for c in db.execute(f"PRAGMA table_info({name})")]
        quoted = " || ',' || ".join(f"quote({c})" for c in columns)
        lines += [f'INSERT INTO "{name}" VALUES({row[0]});' for row in db.execute(f"SELECT {quoted} FROM {name}")]
    lines += [sql + ";" for kind, name, sql in sorted(rows) if kind != "table"]
    lines += [f"INSERT INTO sqlite_sequence VALUES('{n}',{s});" for n, s in db.execute("SELECT name, max(seq) FROM sqlite_sequence WHERE name = 'batch' GROUP BY name")]
    lines += [f"PRAGMA application_id = {db.execute('PRAGMA application_id').fetchone()[0]};"]
    lines += [f"PRAGMA user_version = {db.execute('PRAGMA user_version').fetchone()[0]};", "COMMIT;"]
    return "\n".join(lines) + "\n"


def main():
    number = int(sys.argv[1])
    name, sql = steps()[number - 1]
    db = load(HERE / f"version_{number - 1}.sql")
    db.executescript(sql + NEW.get(number, "") + f"PRAGMA user_version = {number};")
    (HERE / f"version_{number}.sql").write_text(dump(db, f"What a build of schema {number} ({name}) left behind: a batch of two clips, one published, one rendered."))


if __name__ == "__main__":
    main()
