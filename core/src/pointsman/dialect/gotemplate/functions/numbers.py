"""Sprig's functions of numbers (sprig 3.2: numeric.go). Whole numbers are of 64 bits and wrap around."""

import math
import random
from collections.abc import Callable
from decimal import Decimal, DivisionByZero, InvalidOperation, localcontext
from typing import Any, Final

from pointsman.dialect.gotemplate import literals
from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.library import Group
from pointsman.dialect.gotemplate.limits import counted
from pointsman.dialect.gotemplate.printing import plain
from pointsman.dialect.gotemplate.values import Int64, Ints

NUMBERS: Final = Group()


def wrapped(number: int) -> Int64:
    return Int64((number + 2**63) % 2**64 - 2**63)


def whole_of(value: Any) -> Int64:
    """A whole number of anything: of text as Go's source writes it, 0 of what is none."""
    if isinstance(value, float):
        return Int64(value) if -(2.0**63) <= value < 2.0**63 else Int64(-(2**63))
    if isinstance(value, int):
        return Int64(value)
    if isinstance(value, str):
        before, dot, after = value.partition(".")
        number = literals.integer(before if dot and not after.strip("0") and before else value)
        return Int64(number) if number is not None and -(2**63) <= number < 2**63 else Int64(0)
    return Int64(0)


def real_of(value: Any) -> float:
    if isinstance(value, (bool, int, float)):
        return float(value)
    if not isinstance(value, str):
        return 0.0
    named = {"inf": math.inf, "infinity": math.inf, "nan": math.nan}.get(value.lstrip("+-").lower())
    if named is not None:
        return -named if value.startswith("-") else named
    return literals.real(value) or 0.0


NUMBERS("int", "any")(lambda value: int(whole_of(value)))
NUMBERS("int64", "any")(whole_of)
NUMBERS("float64", "any")(real_of)
NUMBERS("add1", "any")(lambda value: wrapped(whole_of(value) + 1))
NUMBERS("add", "...any")(lambda *values: wrapped(sum(map(whole_of, values))))
NUMBERS("sub", "any", "any")(lambda first, other: wrapped(whole_of(first) - whole_of(other)))
NUMBERS("max biggest", "any", "...any")(lambda *values: max(map(whole_of, values)))
NUMBERS("min", "any", "...any")(lambda *values: min(map(whole_of, values)))
NUMBERS("floor", "any")(lambda value: _kept(value, math.floor))
NUMBERS("ceil", "any")(lambda value: _kept(value, math.ceil))


def _kept(value: Any, change: Callable[[float], int]) -> float:
    number = real_of(value)
    return float(change(number)) if math.isfinite(number) else number


@NUMBERS("atoi", "string")
def atoi(text: str) -> int:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits.isascii() or not digits.isdigit() or len(digits) > 400:
        return 0
    return max(-(2**63), min(int(text), 2**63 - 1))


@NUMBERS("mul", "any", "...any")
def mul(first: Any, *others: Any) -> Int64:
    product = whole_of(first)
    for other in others:
        product = wrapped(product * whole_of(other))
    return product


@NUMBERS("div", "any", "any")
def div(first: Any, other: Any) -> Int64:
    """Towards zero."""
    return _divided(first, other)[0]


@NUMBERS("mod", "any", "any")
def mod(first: Any, other: Any) -> Int64:
    """With the sign of the first."""
    return _divided(first, other)[1]


def _divided(first: Any, other: Any) -> tuple[Int64, Int64]:
    above, below = whole_of(first), whole_of(other)
    if below == 0:
        raise Wrong("integer divide by zero")
    quotient = abs(above) // abs(below)
    quotient = -quotient if (above < 0) != (below < 0) else quotient
    return wrapped(quotient), wrapped(above - quotient * below)


def _decimals(first: Any, others: tuple[Any, ...], operation: Callable[[Decimal, Decimal], Decimal]) -> float:
    """Exactly, in decimals, as sprig has it since 3.2; a quotient has 16 places after the point."""
    with localcontext() as context:
        context.prec = 700
        try:
            total = Decimal(repr(real_of(first)))
            for other in others:
                total = operation(total, Decimal(repr(real_of(other))))
            return float(total)
        except DivisionByZero:
            raise Wrong("decimal division by 0") from None
        except InvalidOperation:
            raise Wrong("these numbers are infinite, none, or divided by 0") from None


NUMBERS("add1f", "any")(lambda value: _decimals(value, (1,), lambda a, b: a + b))
NUMBERS("addf", "...any")(lambda *values: _decimals(0, values, lambda a, b: a + b))
NUMBERS("subf", "any", "...any")(lambda first, *others: _decimals(first, others, lambda a, b: a - b))
NUMBERS("mulf", "any", "...any")(lambda first, *others: _decimals(first, others, lambda a, b: a * b))
NUMBERS("divf", "any", "...any")(lambda first, *others: _decimals(first, others, lambda a, b: round(a / b, 16)))
NUMBERS("maxf", "any", "...any")(lambda *values: _extreme(values, max))
NUMBERS("minf", "any", "...any")(lambda *values: _extreme(values, min))


def _extreme(values: tuple[Any, ...], choose: Callable[[list[float]], float]) -> float:
    numbers = [real_of(value) for value in values]
    return math.nan if any(map(math.isnan, numbers)) else choose(numbers)


@NUMBERS("round", "any", "int", "...float")
def round_(value: Any, places: int, *limits: float) -> float:
    """Up from the limit on, which is one half; below zero always away from it only past it, as sprig does."""
    limit = limits[0] if limits else 0.5
    power = 10.0**places if places < 308 else math.inf
    digit = power * real_of(value)
    if not math.isfinite(digit):
        return digit / power
    fraction = math.modf(digit)[0]
    return float(math.ceil(digit) if fraction >= limit else math.floor(digit)) / power


@NUMBERS("toDecimal", "any")
def to_decimal(value: Any) -> Int64:
    """The number that octal digits write; 0 if they are none."""
    text = plain(value)
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits or digits.strip("01234567") or len(digits) > 22:
        return Int64(0)
    number = int(text, 8)
    return Int64(number if -(2**63) <= number < 2**63 else 0)


@NUMBERS("until", "int")
def until(count: int) -> Ints:
    return until_step(0, count, -1 if count < 0 else 1)


@NUMBERS("untilStep", "int", "int", "int")
def until_step(start: int, stop: int, step: int) -> Ints:
    """Nothing where the step leads away."""
    if step == 0 or (stop < start) != (step < 0):
        return Ints()
    numbers = range(start, stop, step)
    counted(max(0, -(-(stop - start) // step)))
    return Ints(numbers)


@NUMBERS("seq", "...int")
def seq(*parameters: int) -> str:
    """To a number from 1, from a number, or from a number by steps; as text, like the command."""
    if not 1 <= len(parameters) <= 3:
        return ""
    start, end = (1, parameters[0]) if len(parameters) == 1 else (parameters[0], parameters[-1])
    increment = -1 if end < start else 1
    step = parameters[1] if len(parameters) == 3 else increment
    if len(parameters) == 3 and end < start and step > 0:
        return ""
    return " ".join(map(str, until_step(start, end + increment, step)))


@NUMBERS("randInt", "int", "int")
def rand_int(least: int, end: int) -> int:
    if end <= least:
        raise Wrong(f"the range from {least} to {end} is empty")
    return random.randrange(least, end)
