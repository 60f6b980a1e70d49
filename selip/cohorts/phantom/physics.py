"""Signal of tissues in a sequence, and what a scanner does to the image.

Spin echo        S = PD (1 - exp(-TR/T1)) exp(-TE/T2)
Inversion        S = PD |1 - 2 exp(-TI/T1) + exp(-TR/T1)| exp(-TE/T2)      (T1 and FLAIR)
Diffusion        S_b = S exp(-b ADC),  ADC = ln(S_0 / S_b) / b
Contrast agent   1/T1' = 1/T1 + r1 C

(Bernstein, King, Zhou 2004, "Handbook of MRI Pulse Sequences", ch. 14 and 17.) Tissue values lie in the range of the
literature at 1.5-3 T and are tuned so that the ratios to white matter match medians of real examinations; the tests
hold the table of those ratios.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

Array = TypeVar("Array", bound=Any)
"""Of numpy or torch."""

B_VALUE = 1000.0  # s/mm2
RELAXIVITY = 4.5e-3  # per mmol/l and millisecond
MAX_ADC = 4000.0  # 1e-6 mm2/s
ADC_FLOOR = 0.25  # of b0, as a share of white matter
BIAS_TERMS = 9


@dataclass(frozen=True)
class Tissue:
    """Properties of a tissue that the sequences measure.

    Attributes:
        t1_ms: Longitudinal relaxation time.
        t2_ms: Transverse relaxation time.
        density: Proton density, water = 1.
        adc: Apparent diffusion coefficient in 1e-6 mm2/s.
        agent: Concentration of contrast agent after injection, mmol/l.
    """

    t1_ms: float
    t2_ms: float
    density: float
    adc: float
    agent: float = 0.0


TISSUES: Mapping[str, Tissue] = {
    "grey matter": Tissue(1015, 83.5, 0.72, 860, 0.032),
    "white matter": Tissue(830, 80, 0.70, 800, 0.018),
    "csf": Tissue(4400, 2000, 1.0, 3000),
    "skull": Tissue(900, 45, 0.195, 600),
    "scalp": Tissue(420, 60, 0.27, 400, 0.01),
    "acute infarct": Tissue(1340, 109, 0.86, 640),
    "subacute infarct": Tissue(1480, 119, 0.93, 850, 0.10),
    "gliosis": Tissue(1420, 107, 0.94, 1250),
    "cavity": Tissue(4200, 1500, 0.98, 2600),
    "leukoaraiosis": Tissue(1240, 106, 0.86, 1200),
    "plaque": Tissue(1440, 96, 0.97, 1250, 0.01),
    "acute blood": Tissue(820, 36, 0.78, 520),
    "subacute blood": Tissue(420, 100, 0.80, 900),
    "old blood": Tissue(1700, 130, 0.90, 1700),
    "siderin": Tissue(1050, 26, 0.60, 700),
    "tumour rim": Tissue(1540, 112, 1.0, 1050, 0.37),
    "faint tumour": Tissue(1540, 112, 1.0, 1250, 0.08),
    "blood pool": Tissue(1600, 150, 1.0, 3000, 1.0),
    "necrosis": Tissue(3000, 250, 1.0, 2000, 0.02),
    "oedema": Tissue(1460, 124, 0.98, 1500),
    "low-grade tumour": Tissue(1650, 136, 1.0, 1500, 0.01),
    "meningioma": Tissue(1150, 97, 0.81, 850, 0.5),
    "metastasis": Tissue(1445, 98, 0.93, 830, 0.5),
}


@dataclass(frozen=True)
class Timing:
    """Timing of one contrast in milliseconds; `ti` 0 means no inversion pulse."""

    tr: float
    te: float
    ti: float = 0.0
    diffusion: bool = False
    agent: bool = False


SEQUENCES: Mapping[str, Timing] = {
    "T1": Timing(2200, 10, 1155),
    "T2": Timing(5300, 72),
    "FLAIR": Timing(9000, 122, 2815),
    "DWI": Timing(4500, 85, diffusion=True),
    "ADC": Timing(4500, 85, diffusion=True),
    "T1c": Timing(2200, 10, 1155, agent=True),
}


@dataclass(frozen=True)
class Scanner:
    """A scanner: how its timing, coil, receiver and noise differ from the nominal ones (factors)."""

    name: str
    tr: float = 1.0
    te: float = 1.0
    ti: float = 1.0
    gain: float = 1.0
    bias: float = 1.0
    noise: float = 1.0


SITES = (
    Scanner("site-a"),
    Scanner("site-b", tr=1.05, te=1.08, ti=1.01, gain=1.6, bias=1.4, noise=0.8),
    Scanner("site-c", tr=0.96, te=0.93, ti=0.99, gain=0.5, bias=0.7, noise=1.3),
    Scanner("site-d", te=1.04, ti=1.005, gain=2.4, bias=1.8, noise=1.1),
)


def signal(tissue: Tissue, timing: Timing, site: Scanner = SITES[0]) -> float:
    """Signal of a tissue in a sequence without diffusion weighting, arbitrary unit, signed before the magnitude."""
    return float(_signals((tissue,), timing, site)[0])


def _signals(tissues: Sequence[Tissue], timing: Timing, site: Scanner) -> np.ndarray:
    """`signal` of each tissue (C,)."""
    t1, t2, density, agent = np.array([(one.t1_ms, one.t2_ms, one.density, one.agent) for one in tissues]).T
    rate = 1 / t1 + (RELAXIVITY * agent if timing.agent else 0.0)
    recovery = 1 - np.exp(-timing.tr * site.tr * rate)
    if timing.ti:
        recovery -= 2 * np.exp(-timing.ti * site.ti * rate) - 2 * np.exp(-timing.tr * site.tr * rate)
    signals: np.ndarray = density * recovery * np.exp(-timing.te * site.te / t2)
    return signals


def weights_of(tissues: Sequence[Tissue], contrasts: Sequence[str], site: Scanner = SITES[0]) -> dict[str, np.ndarray]:
    """Image to the weight (C,) float32 of each tissue in it, signed, normal white matter near 1.

    Args:
        tissues: The C tissues.
        contrasts: Names from SEQUENCES; "DWI" and "ADC" both bring the images "b0" and "DWI".
        site: The scanner.
    """
    every, weights = (*tissues, TISSUES["white matter"]), dict[str, np.ndarray]()
    for contrast in contrasts:
        timing = SEQUENCES[contrast]
        if timing.diffusion and "DWI" in weights:
            continue
        signals = _signals(every, timing, site)
        if timing.diffusion:
            decay = np.exp(-B_VALUE * 1e-6 * np.array([tissue.adc for tissue in every]))
            scale = signals[-1] * decay[-1]
            weights |= {"b0": signals[:-1] / scale, "DWI": signals[:-1] * decay[:-1] / scale}
        else:
            weights[contrast] = signals[:-1] / signals[-1]
    return {image: weight.astype(np.float32) for image, weight in weights.items()}


def mixed(weights: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """Magnitude (...) float32 of the summed signals of the tissues (C, ...) in each voxel, `weights` (C,) each."""
    image: np.ndarray = np.einsum("c,c...->...", weights, fractions)
    return np.abs(image, out=image)


def adc_map(b0: np.ndarray, dwi: np.ndarray) -> np.ndarray:
    """ADC in 1e-6 mm2/s, clipped to [0, MAX_ADC]; 0 where b0 is under ADC_FLOOR (air and bone), as scanners do."""
    ratio = np.maximum(b0, 1e-6) / np.maximum(dwi, 1e-6)
    return np.where(b0 < ADC_FLOOR, 0, np.clip(np.log(ratio) * (1e6 / B_VALUE), 0, MAX_ADC)).astype(np.float32)


def bias_field(coordinates: Sequence[np.ndarray], bend: np.ndarray) -> np.ndarray:
    """Smooth receive field, exp of a quadratic polynomial.

    Args:
        coordinates: Three arrays that broadcast to the volume, in [-1, 1].
        bend: Coefficients (BIAS_TERMS,) of its terms, in the order of `bias_terms`.
    """
    field = np.zeros(np.broadcast_shapes(*(axis.shape for axis in coordinates)))
    for coefficient, term in zip(bend, bias_terms(*coordinates), strict=True):
        field += coefficient * term
    return np.exp(field, out=field)


def bias_terms(x: Array, y: Array, z: Array) -> tuple[Array, ...]:
    """The terms of the quadratic polynomial but the constant one."""
    return x, y, z, x * x, y * y, z * z, x * y, y * z, x * z


def rician(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of the image with complex Gaussian noise of spread `sigma` (Gudbjartsson & Patz 1995)."""
    noisy = rng.standard_normal((2, *image.shape), dtype=np.float32)
    noisy *= np.float32(sigma)
    noisy[0] += image
    squares = np.square(noisy, dtype=np.float64)  # as hypot of the C library does, but all at once
    squares[0] += squares[1]
    return np.sqrt(squares[0], out=squares[0]).astype(np.float32)
