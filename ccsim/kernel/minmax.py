"""The greatest of the samples in a sliding window, kept as three of them.

Source: Kathleen Nichols' algorithm, as in ``lib/win_minmax.c``.
"""

from __future__ import annotations

__all__ = ["Samples", "no_samples", "running_max", "settled_until"]

Sample = tuple[int, int]  # time, value
Samples = tuple[
    Sample, Sample, Sample
]  # best, second best, third best, each later than the one before


def no_samples(time: int, value: int = 0) -> Samples:
    """Return a filter that knows nothing but ``value``."""
    sample = (time, value)
    return sample, sample, sample


def running_max(samples: Samples, window: int, time: int, value: int) -> Samples:
    """Return the filter after one more sample; its maximum is ``samples[0][1]``."""
    best, second, third = samples
    if value >= best[1] or time - third[0] > window:
        return no_samples(time, value)
    new = (time, value)
    if value >= second[1]:
        second = third = new
    elif value >= third[1]:
        third = new
    return _age((best, second, third), window, new)


def _age(samples: Samples, window: int, new: Sample) -> Samples:
    """Drop a maximum that left the window; renew runners-up as old as a quarter or half of it."""
    best, second, third = samples
    age = new[0] - best[0]
    if age > window:
        if new[0] - second[0] > window:
            return third, new, new
        return second, third, new
    if second[0] == best[0] and age > window // 4:
        return best, new, new
    if third[0] == second[0] and age > window // 2:
        return best, second, new
    return samples


def settled_until(samples: Samples, window: int) -> int:
    """Return the last time at which a value below the third best leaves the filter as it is."""
    best, second, third = samples
    if second[0] == best[0]:
        return best[0] + window // 4
    return best[0] + (window // 2 if third[0] == second[0] else window)
