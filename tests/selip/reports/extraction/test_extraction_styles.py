"""Reports as other authors write them, with their facts by the annotation guide."""

from __future__ import annotations

import pytest

from selip.reports.extraction.extractor import extract

CONTRASTS = {"T1", "T2", "FLAIR", "DWI", "ADC"}
REPORTS = {
    "telegraphic": (
        "L frontal unaffected. Right parietal mass, T1 hypointense, T2/FLAIR hyperintense. Ring enhancement. Marked "
        "oedema. No midline shift.",
        "right @ parietal lobe; T1 low; T2 high; FLAIR high; enhancement present; edema present; midline_shift absent",
    ),
    "british": (
        "There is an intra-axial tumour centred on the left temporal lobe. It returns low T1 and high T2 signal and "
        "enhances avidly. Moderate surrounding oedema with effacement of the temporal horn of the left lateral "
        "ventricle. No haemorrhage.",
        "left @ temporal lobe; T1 low; T2 high; enhancement present; edema present; ventricle_compression present",
    ),
    "american": (
        "FINDINGS: 3.2 cm extra-axial mass along the left sphenoid wing, isointense on T1 and T2, with homogeneous "
        "enhancement. There is no significant edema. No midline shift.\n\nIMPRESSION: Meningioma of the left sphenoid "
        "wing.",
        "left @ sphenoid ridge; T1 iso; T2 iso; enhancement present; edema absent; midline_shift absent",
    ),
    "bullets": (
        "- Mass in the right occipital lobe\n- T1: low signal\n- T2: high signal\n- FLAIR: high signal\n"
        "- Enhancement: none\n- Edema: none",
        "right @ occipital lobe; T1 low; T2 high; FLAIR high; enhancement absent; edema absent",
    ),
    "numbered": (
        "1. Lesion in the left thalamus with high signal on T2 and FLAIR. 2. No enhancement. 3. Midline structures are "
        "central. 4. Ventricles not compressed.",
        "left @ thalamus; T2 high; FLAIR high; enhancement absent; midline_shift absent; ventricle_compression absent",
    ),
    "impression repeats": (
        "A ring-enhancing lesion is present in the right frontal lobe with surrounding edema. Impression: right "
        "frontal glioblastoma.",
        "right @ frontal lobe; enhancement present; edema present",
    ),
    "stroke": (
        "Acute infarct in the left corona radiata: hyperintense on DWI (b1000) with corresponding hypointensity on the "
        "ADC map. No haemorrhage.",
        "left @ corona radiata; DWI high; ADC low",
    ),
    "reduced coefficient": (
        "Small focus of high signal on diffusion-weighted imaging in the right medulla with low apparent diffusion "
        "coefficient: acute infarct of the brainstem.",
        "right @ brainstem; DWI high; ADC low",
    ),
    "plaques": (
        "Several ovoid lesions of high T2 and FLAIR signal lie in the periventricular white matter of both "
        "hemispheres, the largest in the left parietal lobe. They are of low signal on T1 and none enhances.",
        "bilateral @ periventricular; left @ parietal lobe; T1 low; T2 high; FLAIR high; enhancement absent; "
        "multiplicity multiple",
    ),
    "corpus callosum": (
        "Confluent high FLAIR signal in the right frontal lobe, crossing in the genu of the corpus callosum. No "
        "enhancement.",
        "right @ frontal lobe; midline @ corpus callosum; FLAIR high; enhancement absent",
    ),
    "relaxation": (
        "A slightly longer T1 and long T2 signal mass is seen in the left fronto-temporo-parietal region. "
        "Contrast-enhanced scan shows obvious ring enhancement. The left lateral ventricle is compressed and deformed, "
        "and the midline structures are shifted to the right.",
        "left @ frontal lobe; left @ temporal lobe; left @ parietal lobe; T1 low; T2 high; enhancement present; "
        "ventricle_compression present; midline_shift present",
    ),
    "equal signal": (
        "A mass with equal signal on T1WI and slightly high signal on T2WI is seen in the saddle area. The enhanced "
        "scan shows obvious enhancement. Surrounding edema is not obvious. The midline structures are in the middle.",
        "midline @ sellar region; T1 iso; T2 high; enhancement present; edema absent; midline_shift absent",
    ),
    "not seen": (
        "Right cerebellar nodule with high T2 signal. Edema is not seen. Enhancement is not identified. Compression of "
        "the fourth ventricle is not observed.",
        "right @ cerebellum; T2 high; edema absent; enhancement absent; ventricle_compression absent",
    ),
    "without": (
        "Left insular lesion, hyperintense on FLAIR, without contrast enhancement, without edema and without mass "
        "effect on the ventricles.",
        "left @ insula; FLAIR high; enhancement absent; edema absent; ventricle_compression absent",
    ),
    "no evidence of": (
        "Hyperintensity on T2 in the right hippocampus. No evidence of enhancement. No evidence of midline shift or "
        "ventricular compression.",
        "right @ hippocampus; T2 high; enhancement absent; midline_shift absent; ventricle_compression absent",
    ),
    "normal": ("No acute infarct, haemorrhage or mass. Ventricles and sulci are normal for age.", ""),
    "history": (
        "Clinical information: headache, patient denies trauma. Technique: T1, T2, FLAIR, DWI and post-contrast T1. "
        "Findings: a cyst in the pineal region, T1 low, T2 high, not enhancing.",
        "midline @ other; T1 low; T2 high; enhancement absent",
    ),
    "metastases": (
        "Two enhancing nodules, one in the left cerebellar hemisphere and one in the right frontal lobe, each with "
        "surrounding vasogenic edema.",
        "left @ cerebellum; right @ frontal lobe; enhancement present; edema present; multiplicity multiple",
    ),
    "uptake": (
        "Mass at the planum sphenoidale and olfactory groove, T1 isointense, with intense gadolinium uptake.",
        "unspecified @ skull base; unspecified @ olfactory groove; T1 iso; enhancement present",
    ),
    "schwannoma": (
        "Right CP angle mass extending into the internal auditory canal. Hypointense on T1-weighted imaging, "
        "hyperintense on T2-weighted imaging, strongly enhancing. The fourth ventricle is narrowed.",
        "right @ cerebellopontine angle; T1 low; T2 high; enhancement present; ventricle_compression present",
    ),
    "haemorrhage": (
        "Haematoma in the left basal ganglia of high T1 signal and mixed T2 signal, with perifocal oedema and 6 mm "
        "midline shift to the right.",
        "left @ basal ganglia; T1 high; T2 mixed; edema present; midline_shift present",
    ),
    "ventricular": (
        "Tumour within the trigone of the left lateral ventricle. Isointense on T1, hyperintense on T2. The "
        "post-contrast images show vivid enhancement.",
        "left @ lateral ventricle; T1 iso; T2 high; enhancement present",
    ),
    "beside the ventricle": (
        "Focus adjacent to the body of the right lateral ventricle: FLAIR hyperintense, no enhancement.",
        "right @ periventricular; FLAIR high; enhancement absent",
    ),
    "table": (
        "Location: left parietal lobe. T1: hypointense. T2: hyperintense. Enhancement: present. Edema: present. "
        "Midline shift: absent.",
        "left @ parietal lobe; T1 low; T2 high; enhancement present; edema present; midline_shift absent",
    ),
    "falx": (
        "Dural-based mass on the right side of the falx in the frontal region; T1 isointensity, T2 isointensity, "
        "vividly enhancing with a dural tail. No perilesional oedema.",
        "right @ falx/parasagittal; right @ frontal lobe; T1 iso; T2 iso; enhancement present; edema absent",
    ),
    "long sentence": (
        "Involving the left frontal lobe there is a large necrotic mass, which is hypointense on T1, heterogeneously "
        "hyperintense on T2 and FLAIR, shows thick irregular peripheral enhancement, compresses the left frontal horn "
        "and displaces the midline to the right.",
        "left @ frontal lobe; T1 low; T2 high; FLAIR high; enhancement present; ventricle_compression present; "
        "midline_shift present",
    ),
}

SENTENCES = {
    "The left thalamic lesion is hyperintense on both T2 and FLAIR and isointense on T1.": (
        "left @ thalamus; T1 iso; T2 high; FLAIR high"
    ),
    "Left insular mass with low T1 and high T2 signal.": "left @ insula; T1 low; T2 high",
    "Left insular mass: high signal on DWI sequence, ADC value is decreased.": "left @ insula; DWI high; ADC low",
    "Left insular mass of mixed long and short T1 signal.": "left @ insula; T1 mixed",
    "Left insular mass, isohypointense on T1-WI and with uneven signal on T2-WI.": "left @ insula; T1 mixed; T2 mixed",
    "Diffusion restriction in the left insula with low ADC.": "left @ insula; DWI high; ADC low",
    "Bifrontal mass crossing the corpus callosum.": "bilateral @ frontal lobe",
    "Mass in the left frontal-parietal parasagittal area.": (
        "left @ frontal lobe; left @ parietal lobe; left @ falx/parasagittal"
    ),
    "Nodules in bilateral cerebral and cerebellar hemispheres.": (
        "bilateral @ cerebral hemisphere; bilateral @ cerebellum; multiplicity multiple"
    ),
    "Mass in the left insula, edema involves the left thalamus.": "left @ insula; edema present",
    "Patchy edema is seen around the left insular mass.": "left @ insula; edema present",
    "Left insular mass that fails to enhance.": "left @ insula; enhancement absent",
    "Nonenhancing left insular mass.": "left @ insula; enhancement absent",
    "Non-enhancing core in an enhancing left insular mass.": "left @ insula; enhancement present",
    "Left insular mass. The left ventricle becomes narrow.": "left @ insula; ventricle_compression present",
    "Left insular mass pushing the third ventricle, which bows the septum.": "left @ insula",
    "Nodules in the right cerebellar hemisphere and vermis.": "right @ cerebellum; midline @ cerebellum",
    "A few nodules in the left frontal lobe.": "left @ frontal lobe; multiplicity multiple",
}


def facts(written: str) -> set[tuple[str, ...]]:
    """Facts out of "left @ insula; T1 low; edema absent"."""
    found = set()
    for fact in filter(None, written.split("; ")):
        if " @ " in fact:
            found.add(("location", *fact.split(" @ ")))
        else:
            name, value = fact.split(" ")
            found.add(("signal", name, value) if name in CONTRASTS else (name, value))
    return found


@pytest.mark.parametrize("style", REPORTS)
def test_facts_of_other_authors(style: str) -> None:
    report, wanted = REPORTS[style]
    assert {tuple(fact.as_list) for fact in extract(report).facts} == facts(wanted)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_facts_of_one_sentence(sentence: str) -> None:
    assert {tuple(fact.as_list) for fact in extract(sentence).facts} == facts(SENTENCES[sentence])
