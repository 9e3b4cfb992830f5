"""Points that fill the unit cube: Latin hypercubes and Sobol's sequence.

Latin hypercube: McKay, Beckman, Conover 1979. Sobol: the direction numbers of Joe and Kuo 2008
(new-joe-kuo-6), in Gray code order (Antonov, Saleev 1979), shifted digitally (Owen 2003, "random
digital shift") so that no point lies on an edge of every range.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.sim.streams import stream_seed

__all__ = ["MAX_DIMENSIONS", "latin_hypercube", "sobol"]

Floats = NDArray[np.float64]
BITS = 30
_JOE_KUO = (  # degree of the primitive polynomial, its coefficients, initial direction numbers
    (1, 0, (1,)),
    (2, 1, (1, 3)),
    (3, 1, (1, 3, 1)),
    (3, 2, (1, 1, 1)),
    (4, 1, (1, 1, 3, 3)),
    (4, 4, (1, 3, 5, 13)),
    (5, 2, (1, 1, 5, 5, 17)),
    (5, 4, (1, 1, 5, 5, 5)),
    (5, 7, (1, 1, 7, 11, 19)),
    (5, 11, (1, 1, 5, 1, 1)),
    (5, 13, (1, 1, 1, 3, 11)),
    (5, 14, (1, 3, 5, 5, 31)),
    (6, 1, (1, 3, 3, 9, 7, 49)),
    (6, 13, (1, 1, 1, 15, 21, 21)),
    (6, 16, (1, 3, 1, 13, 27, 49)),
    (6, 19, (1, 1, 1, 15, 7, 5)),
    (6, 22, (1, 3, 1, 15, 13, 25)),
    (6, 25, (1, 1, 5, 5, 19, 61)),
    (7, 1, (1, 3, 7, 11, 23, 15, 103)),
    (7, 4, (1, 3, 7, 13, 13, 15, 69)),
)
MAX_DIMENSIONS = len(_JOE_KUO) + 1


def latin_hypercube(points: int, dimensions: int, seed: int) -> Floats:
    """Return [point, dimension] in [0, 1): in each dimension one point in each of the equal
    strata."""
    generator = np.random.Generator(np.random.PCG64(stream_seed(seed, "latin hypercube")))
    strata = np.stack([generator.permutation(points) for _ in range(dimensions)], axis=1)
    return (strata + generator.random((points, dimensions))) / points


def sobol(points: int, dimensions: int, seed: int | None = None) -> Floats:
    """Return the first points of Sobol's sequence, [point, dimension] in [0, 1).

    With a seed shifted digitally; with None as it is, from the origin on. ValueError for more
    dimensions than there are direction numbers for.
    """
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise ValueError(f"sobol: expected 1 to {MAX_DIMENSIONS} dimensions, got {dimensions}")
    directions = np.stack([_directions(dimension) for dimension in range(dimensions)])
    shift = np.zeros(dimensions, dtype=np.int64)
    if seed is not None:
        generator = np.random.Generator(np.random.PCG64(stream_seed(seed, "sobol")))
        shift = generator.integers(1 << BITS, size=dimensions)
    numbers = np.empty((points, dimensions), dtype=np.int64)
    state = np.zeros(dimensions, dtype=np.int64)
    for index in range(points):
        numbers[index] = state ^ shift
        state = state ^ directions[:, _lowest_zero(index)]
    return numbers / float(1 << BITS)


def _lowest_zero(index: int) -> int:
    """Return the position of the lowest bit of an index that is 0."""
    return (~index & (index + 1)).bit_length() - 1


def _directions(dimension: int) -> NDArray[np.int64]:
    """Return the direction numbers of a dimension, the first one in the highest bit."""
    if dimension == 0:  # van der Corput's sequence
        return np.array([1 << (BITS - 1 - bit) for bit in range(BITS)], dtype=np.int64)
    degree, coefficients, initial = _JOE_KUO[dimension - 1]
    numbers = list(initial)
    for bit in range(degree, BITS):
        number = numbers[bit - degree] ^ (numbers[bit - degree] << degree)
        for k in range(1, degree):
            if coefficients >> (degree - 1 - k) & 1:
                number ^= numbers[bit - k] << k
        numbers.append(number)
    return np.array([m << (BITS - 1 - bit) for bit, m in enumerate(numbers)], dtype=np.int64)
