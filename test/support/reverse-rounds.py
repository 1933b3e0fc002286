"""
QEMU's way of testing reverse debugging (its tests/avocado/reverse_debugging.py), as a script for gdb, at random
places of a recording: note PC while stepping forward, see the same PCs stepping back and forward again, break at
every one of them, continue, and reverse-continue to the last.

Environment: PORT, ROUNDS, STEPS, SEED, LENGTH (of the recording), REACH (instructions that continue may run).
Prints a line per failure and at the end "rounds N failures M".
"""

import os
import random
import re
import gdb

ROUNDS, STEPS, LENGTH, REACH = (int(os.environ[name]) for name in ("ROUNDS", "STEPS", "LENGTH", "REACH"))
chance = random.Random(int(os.environ["SEED"]))


def do(command):
    return gdb.execute(command, to_string=True)


def pc():
    return int(gdb.parse_and_eval("$pc")) & (2**64 - 1)


def position():
    return int(re.search(r"position (\d+)", do("monitor info replay")).group(1))


def place():
    return (position(), gdb.selected_thread().num, pc())


def begins_sequence():
    """gdb steps forward over a sequence from LDXR to STXR as a whole, and backwards through it."""
    word = int(gdb.parse_and_eval("*(unsigned int *) $pc"))
    return word & 0x3F400000 == 0x08400000


def one_round(start):
    do(f"monitor replay_seek {start}")
    # gdb looks again at where it is, and which CPU that is.
    do("maintenance flush register-cache")
    do("stepi")
    steps = []
    thread = gdb.selected_thread().num
    wholes = set()
    for number in range(STEPS):
        steps.append(place())
        if begins_sequence():
            wholes.add(number)
        do("stepi")
        if gdb.selected_thread().num != thread:
            return "stepi went to another thread"
    last = place()
    for number, step in reversed(list(enumerate(steps))):
        do("reverse-stepi")
        for _ in range(20 if number in wholes else 0):
            if place()[1:] == step[1:]:
                break
            do("reverse-stepi")
        if place()[1:] != step[1:]:
            return f"reverse-stepi: expected {step}, got {place()}"
    for step in steps:
        if place() != step:
            return f"stepi again: expected {step}, got {place()}"
        do("stepi")
    if place() != last:
        return f"stepi again: expected {last}, got {place()}"
    addresses = {step[2] for step in steps}
    for address in addresses:
        do(f"hbreak *{address}")
    # The place where it stands counts, too, for who comes back to it.
    expected = last if last[2] in addresses else steps[-1]
    do(f"monitor replay_break {min(last[0] + chance.randrange(1, REACH), LENGTH - 1)}")
    do("continue")
    stopped = place()
    do("reverse-continue")
    found = place()
    do("delete")
    if found == expected:
        return None
    # Another CPU may have come by, between the noted place and the stop.
    if found[1] != thread and found[2] in addresses and expected[0] < found[0] < stopped[0]:
        return None
    return f"reverse-continue from {stopped}: expected {expected}, got {found}"


for setting in ("confirm off", "pagination off", "remotetimeout 60", "width 0"):
    do(f"set {setting}")
do(f"target remote 127.0.0.1:{os.environ['PORT']}")
failures = 0
for number in range(ROUNDS):
    start = chance.randrange(1, LENGTH - 10 * STEPS)
    try:
        problem = one_round(start)
    except gdb.error as error:
        problem = f"gdb: {error}"
        do("delete")
    if problem is not None:
        failures += 1
        print(f"round {number} at {start}: {problem}")
print(f"rounds {ROUNDS} failures {failures}")
