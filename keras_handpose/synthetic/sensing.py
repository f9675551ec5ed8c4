"""What happens to the pixels of a sensor: smoothing, noise, shadows, holes and steps, compiled by numba."""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["extent_of", "grainy_noise", "report", "smooth"]

_EDGE = np.float32(18.0)
"""Depth differences between neighbours above this many mm are outlines."""
_GRAZING = np.float32(2.5)
"""Surfaces that recede more than this many times as fast as they extend are seen edge-on."""
_FAST = {"contract", "reassoc", "nsz", "nnan", "arcp"}


@numba.njit(nogil=True, cache=True)
def extent_of(depth, margin):
    """Return top, bottom, left and right of the half-open box around what is seen, with a margin."""
    height, width = depth.shape
    top, bottom, columns = height, 0, np.zeros(width, np.float32)
    for v in range(height):
        row, found = depth[v], np.float32(0.0)
        for u in range(width):
            found = max(found, row[u])
            columns[u] = max(columns[u], row[u])
        if found > 0:
            top, bottom = min(top, v), v + 1
    left, right = width, 0
    for u in range(width):
        if columns[u] > 0:
            left, right = min(left, u), u + 1
    if top >= bottom:
        return 0, 1, 0, 1
    return max(top - margin, 0), min(bottom + margin, height), max(left - margin, 0), min(right + margin, width)


@numba.njit(nogil=True, cache=True, inline="always")
def _hash(seed, index):
    """Counter-based random bits (SplitMix64)."""
    x = seed + np.uint64(index + 1) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(nogil=True, cache=True, inline="always")
def _uniform(bits, part):
    """Uniform in [0, 1) from one of the four 16-bit parts of random bits."""
    return np.float32((bits >> np.uint64(16 * part)) & np.uint64(0xFFFF)) * np.float32(1.0 / 65536.0)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_FAST)
def grainy_noise(height, width, grain, seed):
    """Noise of mean 0 and variance 1, shape ``(height, width)``: a lattice of random numbers, blended in between."""
    rows, columns = int(height / grain) + 2, int(width / grain) + 2
    lattice = np.empty((rows, columns), np.float32)
    # The sum of four uniforms is close to normal; that of four bytes has this scale.
    scale = np.float32(np.sqrt(3.0) / 256.0)
    for i in range(rows):
        line = lattice[i]
        start = seed + np.uint32(i) * np.uint32(0x9E3779B1)
        for j in range(columns):
            x = start + np.uint32(j) * np.uint32(0x85EBCA77)
            x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(0x21F0AAAD))
            x = np.uint32((x ^ (x >> np.uint32(15))) * np.uint32(0x735A2D97))
            x = np.uint32(x ^ (x >> np.uint32(15)))
            pairs = (x & np.uint32(0x00FF00FF)) + ((x >> np.uint32(8)) & np.uint32(0x00FF00FF))
            total = np.int32((pairs & np.uint32(0xFFFF)) + (pairs >> np.uint32(16)))
            line[j] = np.float32(total - 510) * scale
    if grain <= 1.0:
        return lattice[:height, :width].copy()
    nodes = (np.arange(width) / grain).astype(np.int32)
    shares = (np.arange(width) / grain - nodes).astype(np.float32)
    # Blending makes noise smaller; not so its mean square.
    across = np.float32(1.0 / np.sqrt((shares**2 + (1 - shares) ** 2).mean()))
    noise = np.empty((height, width), np.float32)
    blend = np.empty(columns, np.float32)
    for v in range(height):
        i = int(v / grain)
        share = np.float32(v / grain - i)
        above, below = lattice[i], lattice[i + 1]
        for j in range(columns):
            blend[j] = (above[j] + share * (below[j] - above[j])) * (across * across)
        line = noise[v]
        for u in range(width):
            left = blend[nodes[u]]
            line[u] = left + shares[u] * (blend[nodes[u] + 1] - left)
    return noise


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_FAST)
def smooth(exact, radius, least_fill, seed):
    """Average each surface over windows, and drop it where it fills too little of them."""
    height, width = exact.shape
    row = np.zeros(width + 2 * radius, np.float32)
    means = np.empty_like(exact)
    counts = np.empty_like(exact)
    zero, one = np.float32(0.0), np.float32(1.0)
    sums, found = np.empty(width, np.float32), np.empty(width, np.float32)
    for v in range(height):
        row[radius : radius + width] = exact[v]
        sums[:] = zero
        found[:] = zero
        centre = row[radius : radius + width]
        for k in range(2 * radius + 1):
            other = row[k : k + width]
            for u in range(width):
                off = other[u] - centre[u]
                near = one if abs(off) < _EDGE else zero
                sums[u] += near * off
                found[u] += near
        mean, count = means[v], counts[v]
        for u in range(width):
            mean[u] = centre[u] + sums[u] / found[u]
            count[u] = found[u]
    out = np.empty_like(exact)
    area = np.float32((2 * radius + 1) ** 2)
    fills, rows = np.empty(width, np.float32), np.empty(width, np.float32)
    for v in range(height):
        centre, seen, line = means[v], exact[v], out[v]
        sums[:] = zero
        fills[:] = zero
        rows[:] = zero
        for k in range(max(v - radius, 0), min(v + radius + 1, height)):
            other, count = means[k], counts[k]
            for u in range(width):
                off = other[u] - centre[u]
                near = one if abs(off) < _EDGE else zero
                sums[u] += near * off
                rows[u] += near
                fills[u] += near * count[u]
        for u in range(width):
            z = centre[u] + sums[u] / rows[u]
            line[u] = z if seen[u] > zero else zero
        if least_fill > 0.0:
            for u in range(width):
                if line[u] > zero and fills[u] < least_fill * 1.3 * area:
                    chance = _uniform(_hash(np.uint64(seed) ^ np.uint64(0xF111), (v >> 1) * width + (u >> 1)), 0)
                    if fills[u] < least_fill * (0.7 + 0.6 * chance) * area:
                        line[u] = zero
    return out


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_FAST)
def report(
    exact, measured, noises, fx, seed, noise, floor, step, baseline, wobble, flying, holes, grazing_holes, speckle
):
    """Return what is reported of exact depths, given their smoothed ones and standard normal noise."""
    height, width = exact.shape
    sensed = np.empty_like(exact)
    lit = np.ones(width, np.bool_)
    steepest = np.empty(width, np.float32)
    zero, least = np.float32(0.0), np.float32(1.0)
    slope, floor = np.float32(noise * 1e-6), np.float32(floor)
    coarse = np.float32(1e6 / step if step > 0.0 else 0.0)
    grazing = _GRAZING / np.float32(fx)
    for v in range(height):
        above, row, below = exact[max(v - 1, 0)], exact[v], exact[min(v + 1, height - 1)]
        line, depths, errors = sensed[v], measured[v], noises[v]
        # Without branches and thus with vector instructions: what befalls every pixel.
        for u in range(width):
            steepest[u] = max(abs(above[u] - row[u]), abs(below[u] - row[u]))
        for u in range(width - 1):
            step_right = abs(row[u + 1] - row[u])
            steepest[u] = max(steepest[u], step_right)
        for u in range(1, width):
            step_left = abs(row[u - 1] - row[u])
            steepest[u] = max(steepest[u], step_left)
        for u in range(width):
            z = depths[u]
            z += errors[u] * (floor + slope * z * z)
            line[u] = max(z, least) if depths[u] > zero else zero
        outlines = False
        for u in range(width):
            outlines |= steepest[u] > _EDGE
        # What befalls outlines and steep surfaces.
        if outlines and baseline != 0.0:
            _light(row, fx * abs(baseline), baseline > 0, lit)
            for u in range(width):
                if not lit[u]:
                    line[u] = zero
        steep = np.float32(-1.0)
        for u in range(width):
            steep = max(steep, steepest[u] - grazing * row[u])
        for u in range(width if outlines or steep > zero else 0):
            edge = steepest[u] > _EDGE
            if not edge and steepest[u] <= grazing * row[u]:
                continue
            if outlines and baseline != 0.0 and not lit[u]:
                continue
            z = line[u]
            bits = _hash(seed, v * width + u)
            if not edge:
                if _uniform(bits, 2) < grazing_holes:
                    line[u] = zero
                continue
            if wobble > 0.0:
                # Ragged outlines: blocks of 2 x 2 px look up their depth a pixel aside.
                block = _hash(seed ^ np.uint64(0xB10C), (v >> 1) * width + (u >> 1))
                if _uniform(block, 0) < wobble:
                    i = min(max(v + int(_uniform(block, 1) * 3.0) - 1, 0), height - 1)
                    j = min(max(u + int(_uniform(block, 2) * 3.0) - 1, 0), width - 1)
                    z = measured[i, j]
                    z += errors[u] * (floor + slope * z * z) if z > zero else zero
            chance = _uniform(bits, 2)
            if z <= zero or chance < holes:
                z = zero
            elif chance < holes + flying:
                others = (above[u], below[u], row[max(u - 1, 0)], row[min(u + 1, width - 1)])
                farthest = max(max(others[0], others[1]), max(others[2], others[3]))
                nothing = min(min(others[0], others[1]), min(others[2], others[3])) <= zero
                # Before nothing at all, a flying pixel lies up to 60 mm behind the surface.
                behind = max(max(farthest - row[u], zero), np.float32(60.0) if nothing else zero)
                z += behind * _uniform(bits, 1)
            line[u] = z
        if coarse > zero:
            # What is told apart is the disparity, in proportion to 1 / z.
            for u in range(width):
                disparity = np.floor(coarse / max(line[u], least) + np.float32(0.5))
                line[u] = coarse / max(disparity, least) if line[u] > zero else zero
    # Holes anywhere: as many as there should be, each in a place of its own.
    for k in range(int(speckle * height * width + _uniform(_hash(seed, -2), 0))):
        place = _hash(seed ^ np.uint64(0x5EC), k) % np.uint64(height * width)
        sensed[int(place) // width, int(place) % width] = zero
    return sensed


@numba.njit(nogil=True, cache=True)
def _light(row, disparity_mm, projector_on_the_right, lit):
    """Mark the pixels of a row that the projector reaches: their order must be the same from there."""
    width = len(row)
    nearest = np.inf
    for i in range(width):
        # From the projector's side inwards, a pixel that falls behind the foremost seen so far is hidden.
        u = width - 1 - i if projector_on_the_right else i
        lit[u] = True
        if row[u] > 0.0:
            disparity = disparity_mm / row[u]
            seen_at = u - disparity if projector_on_the_right else -(u + disparity)
            if seen_at > nearest + 0.5:
                lit[u] = False
            else:
                nearest = min(nearest, seen_at)
