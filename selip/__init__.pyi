from selip.experiments.api import compare as compare
from selip.experiments.api import evaluate as evaluate
from selip.experiments.api import leaderboard as leaderboard
from selip.experiments.api import list_methods as list_methods
from selip.experiments.api import load_cohort as load_cohort
from selip.experiments.api import load_model as load_model
from selip.experiments.api import load_results as load_results
from selip.experiments.api import train as train

__version__: str
