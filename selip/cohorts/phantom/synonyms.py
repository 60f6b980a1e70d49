"""Other words for places and signals, so that the same finding may be worded in up to MOST ways, the first its own.

Every one of them is in the vocabulary of our extractor, which takes them back to the first (the tests hold it to that),
but for the parts of a lobe: of those it reads the lobe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from selip.data.findings import Finding

MOST = 8
_LOBE_FORMS = ("{} lobe", "{} region", "{} area", "{} tissue", "{} territory", "{} zone", "{} part", "{} portion")
_LOBES = ("frontal", "parietal", "temporal", "occipital")
_PLACES: Mapping[str, Sequence[str]] = {
    **{f"{name} lobe": [form.format(name) for form in _LOBE_FORMS] for name in _LOBES},
    "insula": ("insula", "insular cortex", "insular lobe", "insular region", "insular ribbon", "insular area"),
    "basal ganglia": ("basal ganglia", "basal nuclei", "lentiform nucleus", "gangliocapsular region", "striatum",
                      "lenticular nucleus", "basal ganglionic region", "lentiform region"),
    "thalamus": ("thalamus", "thalamic region", "thalamic nuclei", "thalamic area", "thalamic tissue"),
    "corona radiata": ("corona radiata", "corona radiata region", "corona radiata fibres"),
    "centrum semiovale": ("centrum semiovale", "semioval centre", "semiovale", "centrum semiovale region"),
    "periventricular white matter": ("periventricular white matter", "paraventricular region", "periventricular region",
                                     "peritrigonal white matter", "paraventricular white matter",
                                     "periventricular area", "peritrigonal region", "paraventricular tissue"),
    "cerebellum": ("cerebellum", "cerebellar hemisphere", "cerebellar region",
                   "cerebellar tissue", "cerebellar area"),
    "brainstem": ("brainstem", "brain stem", "brainstem tissue", "brainstem region"),
    "splenium of the corpus callosum": ("splenium of the corpus callosum", "callosal splenium", "splenium"),
    "genu of the corpus callosum": ("genu of the corpus callosum", "callosal genu", "knee of the corpus callosum"),
    "frontal convexity": ("frontal convexity", "frontal convexity region", "frontal convexity area"),
    "parietal convexity": ("parietal convexity", "parietal convexity region", "parietal convexity area"),
    "sphenoid wing": ("sphenoid wing", "sphenoid ridge", "wing of the sphenoid", "sphenoid crest", "sphenoidal ridge",
                      "anterior clinoid process", "sphenoidal wing", "sphenoidal crest"),
    "falx": ("falx", "falx cerebri", "parafalcine region", "cerebral falx", "parasagittal region", "falcine region",
             "interhemispheric fissure"),
    "cerebral hemispheres": ("cerebral hemispheres", "cerebrum"),
}  # fmt: skip
_SIGNALS: Mapping[str, Sequence[str]] = {
    "high signal": ("high signal", "hyperintensity", "increased signal", "bright signal", "hypersignal",
                    "elevated signal", "hyperintense signal", "heightened signal"),
    "low signal": ("low signal", "hypointensity", "decreased signal", "dark signal", "hyposignal", "reduced signal",
                   "hypointense signal", "lower signal"),
    "iso signal": ("iso signal", "isointensity", "isosignal", "equal signal", "isointense signal", "equivalent signal",
                   "intermediate signal"),
    "slightly": ("slightly", "mildly", "faintly", "subtle", "weakly", "minimally", "slight", "mild"),
    "markedly": ("markedly", "significantly", "pronounced", "strongly", "prominent", "conspicuous", "obviously",
                 "distinct"),
    "patchy": ("patchy", "flaky", "speckled"),
    "ovoid": ("ovoid", "oval"),
    "heterogeneous": ("heterogeneous", "inhomogeneous", "uneven", "non-uniform"),
    "homogeneous": ("homogeneous", "uniform", "homogenous"),
    "ring of": ("ring of", "ring-like", "annular"),
    "high rim": ("high rim", "bright periphery", "hyperintense margin", "hyperintense rim", "bright edge"),
    "low rim": ("low rim", "dark periphery", "hypointense margin", "hypointense rim", "dark edge"),
    "low centre": ("low centre", "dark core", "hypointense centre", "dark center", "hypointense core"),
    "high centre": ("high centre", "bright core", "hyperintense centre", "bright center", "hyperintense core"),
    "multiple foci of": ("multiple foci of", "several foci of", "scattered foci of", "numerous foci of"),
}  # fmt: skip
_PATTERN = re.compile("|".join(map(re.escape, sorted(_SIGNALS, key=len, reverse=True))))


def reworded(finding: Finding, wordings: int, rng: np.random.Generator) -> Finding:
    """The finding with its place and its signals in one of the first `wordings` ways, each term drawn for itself."""
    if wordings == 1:
        return finding

    def other(term: str, terms: Mapping[str, Sequence[str]]) -> str:
        ways = terms.get(term, (term,))[:wordings]
        return ways[int(rng.integers(len(ways)))]

    signals = {
        contrast: _PATTERN.sub(lambda found: other(found[0], _SIGNALS), phrase)
        for contrast, phrase in finding.signals.items()
    }
    return replace(finding, region=other(finding.region, _PLACES), signals=signals)
