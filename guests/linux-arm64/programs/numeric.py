# Arithmetic of every kind that Python has; prints digests and exact values.
import cmath
import hashlib
import math
import random
from decimal import Decimal, getcontext
from fractions import Fraction


def sieve(limit):
    marks = bytearray([1]) * limit
    for i in range(2, int(limit**0.5) + 1):
        if marks[i]:
            marks[i * i :: i] = bytes(len(marks[i * i :: i]))
    return sum(marks[2:])


def pi_digits(count):
    # Gibbons' spigot: long integers.
    q, r, t, k, n, l = 1, 0, 1, 1, 3, 3
    digits = ""
    while len(digits) < count:
        if 4 * q + r - t < n * t:
            digits += str(n)
            q, r, n = 10 * q, 10 * (r - n * t), 10 * (3 * q + r) // t - 10 * n
        else:
            q, r, t, k, n, l = q * k, (2 * q + r) * l, t * l, k + 1, (q * (7 * k + 2) + r * l) // (t * l), l + 2
    return digits


def mandelbrot(size):
    total = 0
    for y in range(size):
        for x in range(size):
            c = complex(3 * x / size - 2, 2 * y / size - 1)
            z = 0j
            for step in range(50):
                z = z * z + c
                if abs(z) > 2:
                    break
            total = total * 31 + step & 0xFFFFFFFFFFFF
    return total


def functions():
    digest = hashlib.sha256()
    for i in range(1, 3000):
        x = i / 37.0
        for name in ("sin", "cos", "tan", "atan", "exp2", "log", "log1p", "sqrt", "cbrt", "gamma", "lgamma", "erf", "tanh"):
            try:
                digest.update(f"{name} {getattr(math, name)(x).hex()}\n".encode())
            except OverflowError:
                digest.update(b"overflow\n")
        digest.update(repr((math.fmod(x, 0.7), math.hypot(x, 3), x**1.7, math.frexp(x), cmath.phase(complex(x, -1)))).encode())
    return digest.hexdigest()


def decimals():
    getcontext().prec = 120
    two = Decimal(2)
    return str(two.sqrt() + two.exp() + two.ln()), str(Decimal(355) / Decimal(113) ** 3)


print("primes", sieve(200_000))
print("pi", pi_digits(250))
print("mandelbrot", mandelbrot(48))
print("functions", functions())
print("decimal", *decimals())
print("fraction", sum((Fraction(1, n) for n in range(1, 120)), Fraction(0)))
print("power", pow(3, 10**40 + 7, 2**521 - 1))
random.seed(7)
values = [random.gauss(0, 1) for _ in range(5000)]
print("gauss", math.fsum(values).hex(), random.getrandbits(128))
print("specials", float("inf") * 0, -0.0, 5e-324 / 2, 1e308 * 10, math.nextafter(1.0, 2.0), (0.1 + 0.2).hex())
print("int", int("1234567890" * 30) ** 3 % 10**50, (-7) // 2, -7 % 3, 1 << 200 >> 150)
