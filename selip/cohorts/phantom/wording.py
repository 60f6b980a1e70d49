"""Free-text reports from a grammar: the same findings are worded in many ways, different ones alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from selip.cohorts.phantom.lesions import KINDS
from selip.data.findings import Finding
from selip.system.mappings import grouped

_Statement = tuple[tuple[str, ...], frozenset[str]]

_CONTRAST_NAMES = {
    "T1": ("T1", "T1WI", "T1-weighted images"),
    "T2": ("T2", "T2WI", "T2-weighted images"),
    "FLAIR": ("FLAIR", "T2-FLAIR", "FLAIR images"),
    "DWI": ("DWI", "diffusion-weighted images", "the b1000 images"),
    "ADC": ("ADC", "the ADC map"),
    "T1c": ("contrast-enhanced T1", "post-contrast T1", "T1 after gadolinium"),
}
_TYPE_NAMES = {
    "white matter hyperintensity": ("white matter hyperintensity", "small vessel ischaemic change", "leukoaraiosis"),
    "multiple sclerosis plaque": ("multiple sclerosis plaque", "demyelinating plaque", "demyelinating lesion"),
    "acute infarct": ("acute infarct", "acute ischaemic infarction", "recent infarction"),
    "subacute infarct": ("subacute infarct", "subacute infarction"),
    "old infarct": ("old infarct", "chronic infarct with encephalomalacia", "sequela of an old infarction"),
    "lacune": ("lacune", "lacunar infarct of old date"),
    "acute haemorrhage": ("acute haemorrhage", "acute haematoma"),
    "subacute haemorrhage": ("subacute haemorrhage", "subacute haematoma"),
    "chronic haemorrhage": ("chronic haemorrhage", "old haemorrhage with haemosiderin rim"),
    "high-grade glioma": ("high-grade glioma", "glioma of high grade", "glioblastoma or another high-grade glioma"),
    "low-grade glioma": ("low-grade glioma", "glioma of low grade"),
    "meningioma": ("meningioma", "extra-axial mass in keeping with meningioma"),
    "metastasis": ("metastasis", "metastatic deposit", "secondary deposit"),
    "atrophy": ("cerebral atrophy", "generalised volume loss", "diffuse brain atrophy"),
}
_MASSES = frozenset(kind.name for kind in KINDS.values() if kind.displaces)
# What may be denied, or called normal, and the lesion types that forbid it.
_DENIALS: tuple[_Statement, ...] = (
    (("acute infarct", "acute ischaemia", "restricted diffusion"), frozenset({"acute infarct", "subacute infarct"})),
    (("haemorrhage", "haematoma"), frozenset({"acute haemorrhage", "subacute haemorrhage", "chronic haemorrhage"})),
    (("mass", "space-occupying lesion"), _MASSES),
    (("midline shift", "mass effect"), _MASSES),
)
_DENY = ("No {}.", "There is no evidence of {}.", "{} is not seen.", "No sign of {}.")
_NORMAL_PARTS: tuple[_Statement, ...] = (
    (("The ventricles and sulci are normal in size.", "Ventricular system of normal width."), frozenset({"atrophy"})),
    (("The midline structures are in place.", "Midline structures are not displaced."), _MASSES),
    (("The orbits are unremarkable.", "Orbits normal."), frozenset()),
    (("Paranasal sinuses and mastoid cells are clear.", "The visible sinuses are clear."), frozenset()),
    (("Normal flow voids of the large vessels.", "The large vessels show normal flow voids."), frozenset()),
)
_NORMAL_SENTENCES = (
    "No abnormal signal in the brain.",
    "The brain parenchyma is of normal signal.",
    "Normal signal of grey and white matter.",
    "No focal lesion of the brain.",
    "Brain MRI within normal limits.",
)
_TECHNIQUES = ("MRI of the head: {}.", "Technique: {}.", "Head MRI with {}.", "Sequences: {}.")
_OPENINGS = ("Findings: ", "", "", "Report: ")


def report(findings: Sequence[Finding], contrasts: Sequence[str], rng: np.random.Generator) -> str:
    """A free-text report of a study.

    Args:
        findings: True findings; none for a normal study.
        contrasts: Contrasts of the study, named in the technique line.
        rng: Source of the wording.

    Returns:
        Sentences that state every finding with its place and signals, deny what is absent, and never contradict it.
    """
    shown = [finding for finding in findings if finding.signals]
    sentences = [_technique(contrasts, rng)] if rng.random() < 0.5 else []
    body = _body(shown, rng) if shown else [_pick(_NORMAL_SENTENCES, rng)]
    extra = [*_denials(findings, rng), *_normal_parts(findings, rng)]
    if rng.random() < 0.25:
        sentences += extra + body
    else:
        sentences += body + extra
    if rng.random() < 0.5:
        sentences.append(_impression(shown, rng))
    return _pick(_OPENINGS, rng) + " ".join(sentences)


def _pick(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _technique(contrasts: Sequence[str], rng: np.random.Generator) -> str:
    return _pick(_TECHNIQUES, rng).format(_listed(list(contrasts)))


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


def _place(finding: Finding, rng: np.random.Generator) -> str:
    """Place in one of several wordings; the name of the region itself is kept whole."""
    if finding.side == "midline":
        return f"the {finding.region}"
    if finding.side == "bilateral":
        return _pick(("the bilateral {}", "the {} on both sides", "the {} bilaterally"), rng).format(finding.region)
    return _pick(("the {0} {1}", "the {0} {1}", "the {1} on the {0}", "the {1} of the {0} side"), rng).format(
        finding.side, finding.region
    )


def _signals(finding: Finding, rng: np.random.Generator) -> str:
    """As "high signal on T2 and FLAIR, low signal on T1": contrasts that show the same are named together."""
    together = grouped((signal, _pick(_CONTRAST_NAMES[one], rng)) for one, signal in finding.signals.items())
    groups = [f"{signal} on {_listed(names)}" for signal, names in together.items()]
    rng.shuffle(groups)
    return ", ".join(groups)


def _prose(finding: Finding, rng: np.random.Generator) -> str:
    noun, place, signals = _pick(_TYPE_NAMES[finding.lesion_type], rng), _place(finding, rng), _signals(finding, rng)
    forms = (
        f"there is {_article(noun)} in {place} with {signals}",
        f"{_article(noun)} is seen in {place}, showing {signals}",
        f"{place} shows {signals}, in keeping with {_article(noun)}",
        f"in {place} {signals}; this suggests {_article(noun)}",
    )
    return _pick(forms, rng)


def _telegram(finding: Finding, rng: np.random.Generator) -> str:
    size = f" of about {2 * finding.radius_mm:.0f} mm" if finding.radius_mm else ""
    return f"{_place(finding, rng).removeprefix('the ')}{size}: {_signals(finding, rng)}"


def _clausal(finding: Finding, rng: np.random.Generator) -> str:
    return f"{_signals(finding, rng)} in {_place(finding, rng)}"


def _body(findings: Sequence[Finding], rng: np.random.Generator) -> list[str]:
    """Sentences of the findings in one style; two may share a sentence."""
    styles: tuple[Callable[[Finding, np.random.Generator], str], ...] = (_prose, _telegram, _clausal)
    style = styles[rng.integers(len(styles))]
    order = [findings[index] for index in rng.permutation(len(findings))]
    parts = [style(finding, rng) for finding in order]
    if len(parts) > 1 and rng.random() < 0.4:
        joint = _pick(("; ", ", and ", "; moreover, "), rng)
        parts = [joint.join(parts[:2]), *parts[2:]]
    return [f"{_capital(part)}." for part in parts]


def _denials(findings: Sequence[Finding], rng: np.random.Generator) -> list[str]:
    present = {finding.lesion_type for finding in findings}
    allowed = [words for words, forbidding in _DENIALS if not present & forbidding]
    count = min(len(allowed), int(rng.integers(0, 3)))
    chosen = [_pick(allowed[index], rng) for index in rng.permutation(len(allowed))[:count]]
    return [_capital(_pick(_DENY, rng).format(what)) for what in chosen]


def _normal_parts(findings: Sequence[Finding], rng: np.random.Generator) -> list[str]:
    present = {finding.lesion_type for finding in findings}
    allowed = [words for words, forbidding in _NORMAL_PARTS if not present & forbidding]
    chosen = rng.permutation(len(allowed))[: int(rng.integers(0, 3))]
    return [_pick(allowed[index], rng) for index in chosen]


def _impression(findings: Sequence[Finding], rng: np.random.Generator) -> str:
    lead = _pick(("Impression: ", "Conclusion: ", "In summary, "), rng)
    if not findings:
        return f"{lead}{_pick(('normal MRI of the head', 'no significant abnormality'), rng)}."
    names = [f"{_pick(_TYPE_NAMES[finding.lesion_type], rng)}, {finding.location}" for finding in findings]
    return f"{lead}{'; '.join(names)}."
