"""Methods to compare with, one file each. A method is one file and one line here.

Third parties add their own through the entry-point group "selip.methods".
"""

METHODS = {
    "selip": "selip.similarity_enhanced:METHOD",
    "clip": "baselines.clip:METHOD",
    "clip_x2": "baselines.clip_x2:METHOD",
    "label_smoothing": "baselines.label_smoothing:METHOD",
    "shuffled_selip": "baselines.shuffled_selip:METHOD",
    "random_init": "baselines.random_init:METHOD",
}
