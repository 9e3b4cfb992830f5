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
    """Return the filter after one more sample, the very same if that changes nothing; its maximum
    is ``samples[0][1]``."""
    best, second, third = samples
    best_at, most = best
    second_at, middle = second
    third_at, least = third
    if time == third_at and value == least:  # what is third already: news for the others?
        if value < middle or (value < most and time == second_at):
            return _age(samples, window, third)
        if time == best_at:
            return samples
    if value >= most or time - third_at > window:
        return no_samples(time, value)
    new = (time, value)
    if value >= middle:
        second = third = new
    elif value >= least:
        third = new
    return _age((best, second, third), window, new)


def _age(samples: Samples, window: int, new: Sample) -> Samples:
    """Drop a maximum that left the window; renew runners-up as old as a quarter or half of it."""
    best, second, third = samples
    time = new[0]
    best_at, second_at, third_at = best[0], second[0], third[0]
    age = time - best_at
    if age > window:
        if time - second_at > window:
            return third, new, new
        return second, third, new
    if second_at == best_at and age > window // 4:
        return best, new, new
    if third_at == second_at and age > window // 2:
        return best, second, new
    return samples


def settled_until(samples: Samples, window: int) -> int:
    """Return the last time at which a value below the third best leaves the filter as it is."""
    best, second, third = samples
    best_at, second_at, third_at = best[0], second[0], third[0]
    if second_at == best_at:
        return best_at + window // 4
    return best_at + (window // 2 if third_at == second_at else window)
