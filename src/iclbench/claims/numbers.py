"""Numbers as a reader wants them."""

from __future__ import annotations

import math


def number(value: float | None, digits: int = 3, *, zeros: bool = False) -> str:
    """Return a number with so many significant digits, or two where it needs an exponent.

    None and NaN are a dash. Zeros at the end of the digits go, or stay if ``zeros``.

    Examples:
        >>> [number(value) for value in (0.0, 1.234e-13, 0.03614, 1.0, 47.25, 1234.0, 2.5e7)]
        ['0', '1.2e-13', '0.0361', '1', '47.2', '1234', '2.5e7']
        >>> number(float("nan")), number(None)
        ('–', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "−∞" if value < 0 else "∞"
    if value and not 1e-3 <= abs(value) < 1e5:
        mantissa, exponent = f"{value:.{max(1, digits - 2)}e}".split("e")
        mantissa = mantissa if zeros else mantissa.removesuffix(".0")
        return _minus(f"{mantissa}e{int(exponent)}", value)
    digits = max(digits, len(str(int(abs(value)))))
    text = f"{value:#.{digits}g}" if zeros and value else f"{value:.{digits}g}"
    return _minus(text.removesuffix("."), value)


def _minus(text: str, value: float) -> str:
    return text.replace("-", "−", 1) if value < 0 else text


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """Return ``value [low, high]``, with the digits that tell the three apart.

    Examples:
        >>> interval(0.0361, 0.03452, 0.03768)
        '0.0361 [0.0345, 0.0377]'
        >>> interval(0.99998, 0.99997, 0.99999)
        '0.999980 [0.999970, 0.999990]'
        >>> interval(1.43, 0.864, 1.9996)
        '1.43 [0.864, 2.00]'
        >>> interval(1.0, 1.0, 1.0), interval(2.0, float("nan"), float("nan"))
        ('1', '2')
    """
    if value is None or low is None or high is None or math.isnan(low) or low == high:
        return number(value)
    largest, width = max(map(abs, (value, low, high))), high - low
    digits = 3
    if math.isfinite(largest) and width > 0:
        digits = min(max(3, math.ceil(math.log10(largest / width)) + 1), 6)
    middle, first, last = (number(end, digits, zeros=True) for end in (value, low, high))
    return f"{middle} [{first}, {last}]"


def listed(names: list[str], most: int = 8) -> str:
    """Return names with commas and a last ``and``, cut after so many.

    Examples:
        >>> listed(["1"]), listed(["1", "2", "5"])
        ('1', '1, 2 and 5')
        >>> listed(list("abcdef"), most=3)
        'a, b, c and 3 more'
    """
    if len(names) > most:
        names = [*names[:most], f"{len(names) - most} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
