#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays what the live view wrote to a terminal (a file) of so many columns and rows: check_frames.py FILE COLUMNS ROWS.

A frame begins where the cursor is hidden and ends where it is shown. None may clear the screen, jump, be taller than the screen, begin anywhere but
at the first line of the one before, or leave a line of it. Prints the number of frames and the lines that stand there at the end."""
import re
import sys

data = open(sys.argv[1], "rb").read().decode("utf-8", "replace").replace("\r\r\n", "\r\n")
columns, rows = int(sys.argv[2]), int(sys.argv[3])
if re.search(r"\x1b\[[23]?J|\x1b\[[0-9;]*[Hf]|\x1bc|\x1b\[\?1049", data):
    sys.exit("the screen is cleared, or the cursor jumps")
frames = re.findall(r"\x1b\[\?25l(.*?)\x1b\[\?25h", data, re.S)
if len(frames) != data.count("\x1b[?25l") or len(frames) != data.count("\x1b[?25h"):
    sys.exit("the cursor is hidden and shown unequally")
screen, last = [], len(frames) - 1
for number, frame in enumerate(frames):
    up = re.match(r"\r\x1b\[K(?:\x1b\[(\d+)A)?", frame)
    climb = int(up.group(1) or 0)
    if climb != min(len(screen), climb if number == last else len(screen)) or climb >= rows:
        sys.exit(f"frame {number} begins {climb} lines up, where {len(screen)} stand")
    at = len(screen) - climb
    body = frame[up.end():]
    back = re.search(r"\x1b\[(\d+)A$", body)
    lines = (body[:back.start()] if back else body).split("\r\n")
    if lines.pop():
        sys.exit(f"frame {number} does not end with a line's end")
    if number != last and len(lines) >= rows:
        sys.exit(f"frame {number} has {len(lines)} lines on a screen of {rows}")
    for line in lines:
        if at == len(screen):
            screen.append("")
        if line:  # else it stays
            if not line.endswith("\x1b[K"):
                sys.exit(f"frame {number}: the rest of a line is not cleared: {line!r}")
            text = re.sub(r"\x1b\[[0-9;]*m", "", line[:-3])
            text = text.replace("\x1b[2K", "")
            if "\x1b" in text or len(text) >= columns:
                sys.exit(f"frame {number}: {text!r}")
            screen[at] = text.rstrip()
        at += 1
    if back:
        del screen[at - int(back.group(1)):]
print(len(frames))
print("\n".join(screen))
