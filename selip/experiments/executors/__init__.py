"""Executors of the runs of an experiment, one file each and one line here.

A run is a number in the plan of its experiment. Whoever executes it opens the run directory itself and leaves records
there, so that an executor hands over nothing but numbers, and what a run scores does not depend on it. On a CPU it does
depend on the number of threads a run has, whose sums are ordered otherwise: so a run has one, and runs go side by side.
"""

EXECUTORS = {
    "local": "selip.experiments.executors.local:Local",
    "ray": "selip.experiments.executors.ray_cluster:RayCluster",
    "slurm": "selip.experiments.executors.slurm:Slurm",
}
