#!/usr/bin/env python3
"""Writes engine/text/unicode_data.c from Python's unicodedata: run it as `python3 engine/text/unicode_generate.py > engine/text/unicode_data.c`.

Only what the CLIP tokenizer asks for: letters (general category L*), numbers (N*), white space, simple lower case, and canonical
composition for the Latin range."""
import sys
import unicodedata

LIMIT = 0x110000
LATIN_END = 0x250  # plus Latin Extended Additional, which composes from the same letters
EXTENDED = range(0x1E00, 0x1F00)


def ranges(test):
    start = None
    for code in range(LIMIT + 1):
        inside = code < LIMIT and test(chr(code))
        if inside and start is None:
            start = code
        if not inside and start is not None:
            yield start, code - 1
            start = None


def simple_lower(code):
    low = chr(code).lower()
    if len(low) == 1:
        return ord(low)
    return ord(low[0]) if code == 0x130 else code


def lower_runs():
    """(first, last, step, delta): code + delta for first, first + step, ... last."""
    runs = []
    for code in range(LIMIT):
        if 0xD800 <= code < 0xE000 or simple_lower(code) == code:
            continue
        delta = simple_lower(code) - code
        if runs:
            first, last, step, old = runs[-1]
            gap = code - last
            if old == delta and gap <= 2 and (step == gap or first == last):
                runs[-1] = (first, code, gap, delta)
                continue
        runs.append((code, code, 1, delta))
    return runs


def compositions():
    for code in list(range(0xC0, LATIN_END)) + list(EXTENDED):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) != 2 or parts[0].startswith("<"):
            continue
        first, second = (int(p, 16) for p in parts)
        if unicodedata.normalize("NFC", chr(first) + chr(second)) == chr(code):
            yield first, second, code


def table(kind, name, rows, width):
    print(f"\nconst struct {kind} unicode_{name}[] = {{")
    line = "   "
    for row in rows:
        item = " {" + ", ".join(str(v) if v < 0 else hex(v) for v in row) + "},"
        if len(line) + len(item) > width:
            print(line)
            line = "   "
        line += item
    print(line)
    print("};")
    print(f"const int unicode_{name}_count = {len(rows)};")


def main():
    print(f"/* Written by unicode_generate.py from Unicode {unicodedata.unidata_version}; not to be edited. */")
    print('#include "engine/text/unicode.h"')
    table("unicode_range", "letters", list(ranges(lambda c: unicodedata.category(c)[0] == "L")), 100)
    table("unicode_range", "numbers", list(ranges(lambda c: unicodedata.category(c)[0] == "N")), 100)
    table("unicode_range", "spaces", list(ranges(lambda c: c.isspace() and not "\x1c" <= c <= "\x1f")), 100)
    table("unicode_case", "lower_runs", lower_runs(), 100)
    table("unicode_pair", "pairs", sorted(compositions()), 100)
    classes = [unicodedata.combining(chr(code)) for code in range(0x300, 0x370)]
    print("\nconst unsigned char unicode_mark_classes[] = {")
    for at in range(0, len(classes), 16):
        print("    " + " ".join(f"{c}," for c in classes[at : at + 16]))
    print("};")


if __name__ == "__main__":
    sys.exit(main())
