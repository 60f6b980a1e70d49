"""Methods to compare with, one file each. A method is one file and one line here.

Third parties add their own through the entry-point group "selip.methods".
"""

METHODS = {
    "selip": "baselines.selip:METHOD",
    "selip_released": "baselines.selip_released:METHOD",
    "clip": "baselines.clip:METHOD",
    "clip_x2": "baselines.clip_x2:METHOD",
    "label_smoothing": "baselines.label_smoothing:METHOD",
    "shuffled_selip": "baselines.shuffled_selip:METHOD",
    "sentence_targets": "baselines.sentence_targets:METHOD",
    "tfidf_targets": "baselines.tfidf_targets:METHOD",
    "cwcl": "baselines.cwcl:METHOD",
    "unicl": "baselines.unicl:METHOD",
    "medclip": "baselines.medclip:METHOD",
    "siglip": "baselines.siglip:METHOD",
    "siglip_soft": "baselines.siglip_soft:METHOD",
    "clause_dropout": "baselines.clause_dropout:METHOD",
    "cyclip": "baselines.cyclip:METHOD",
    "gloria": "baselines.gloria:METHOD",
    "open_clip_slices": "baselines.open_clip_slices:METHOD",
    "simclr": "baselines.simclr:METHOD",
    "mae": "baselines.mae:METHOD",
    "supervised": "baselines.supervised:METHOD",
    "random_init": "baselines.random_init:METHOD",
}
