# Records to JSON and back, sorted, searched and counted.
import collections
import functools
import hashlib
import itertools
import json
import random
import re
import struct

random.seed(42)
WORDS = ["kernel", "timer", "queue", "frame", "grün", "数", "interrupt", "line\n", 'quote"', "\u2028", "page"]


def record(i):
    return {
        "id": i,
        "name": " ".join(random.choices(WORDS, k=4)),
        "value": random.uniform(-1e6, 1e6),
        "flags": [bool(random.getrandbits(1)) for _ in range(5)],
        "nested": {"deep": {"er": [None, i * i, -i / 7]}},
    }


records = [record(i) for i in range(2500)]
text = json.dumps(records, sort_keys=True, indent=1)
back = json.loads(text)
print("same", back == records, len(text), hashlib.sha256(text.encode()).hexdigest())
print("compact", hashlib.md5(json.dumps(back, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest())
counts = collections.Counter(word for each in back for word in each["name"].split())
print("counts", sorted(counts.items()))
ordered = sorted(back, key=lambda each: (each["flags"], -each["value"]))
print("order", [each["id"] for each in ordered[:12]])
found = re.findall(r'"name": "(?:[^"\\]|\\.)*?(timer|queue) (\w+)', text)
print("found", len(found), collections.Counter(found).most_common(3))
packed = b"".join(struct.pack("<Idq", each["id"], each["value"], -each["id"]) for each in back)
print("packed", hashlib.blake2b(packed).hexdigest()[:32])


@functools.lru_cache(maxsize=None)
def ways(total, coins):
    if total == 0:
        return 1
    if total < 0 or not coins:
        return 0
    return ways(total - coins[0], coins) + ways(total, coins[1:])


print("ways", ways(600, (200, 100, 50, 20, 10, 5, 2, 1)))
print("perms", sum(1 for p in itertools.permutations(range(7)) if all(a != b for a, b in enumerate(p))))
try:
    json.loads('{"a": [1, 2,, 3]}')
except json.JSONDecodeError as error:
    print("error", error)
