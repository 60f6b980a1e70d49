"""Noise-free images, mirror images and the best possible score: what the phantom is judged by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from selip.cohorts.phantom.physics import SITES, adc_map, mixed, weights_of
from selip.cohorts.phantom_glioma import APPEARANCES
from selip.data.findings import swap_sides


def images_of(fractions, tissues, contrasts, site=SITES[0]):
    """Noise-free images of a voxelwise tissue mixture, normal white matter near 1 (ADC in 1e-6 mm2/s).

    Args:
        fractions: (C, ...) share of each tissue in a voxel; what is missing to 1 is air.
        tissues: The C tissues.
        contrasts: Names from SEQUENCES.
        site: The scanner.

    Returns:
        Contrast to image (...) float32. "ADC" also brings "b0" and "DWI", from which it is made.
    """
    images = {image: mixed(weights, fractions) for image, weights in weights_of(tissues, contrasts, site).items()}
    if "ADC" in contrasts:
        images["ADC"] = adc_map(images["b0"], images["DWI"])
    return images


def flip_study(arrays, mask, findings, report):
    """The left-right mirror image of a study; applying it twice gives the study back.

    Args:
        arrays: Volumes (n, I, J, K); axis I runs to the patient's right.
        mask: (I, J, K).
        findings: True findings.
        report: Free text.

    Returns:
        The same four with voxels mirrored and left and right exchanged in sides and words.
    """
    flipped = [replace(finding, side=swap_sides(finding.side)) for finding in findings]
    return arrays[:, ::-1].copy(), mask[::-1].copy(), flipped, swap_sides(report)


def best_auroc():
    """AUROC of the best possible score for the grade, which knows the appearance: the likelihood ratio."""
    shares = sorted((look.shares for look in APPEARANCES.values()), key=lambda pair: pair[0] / pair[1])
    high, low = np.array(shares).T
    return float(high @ (np.cumsum(low) - low / 2))
