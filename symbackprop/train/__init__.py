"""Training: update rules, schedules and first values as SymPy or NumPy, and the run of a compiled loop."""

from symbackprop.train.averages import Average, batch_statistics
from symbackprop.train.compilation import compile_training
from symbackprop.train.initialisers import he_normal, he_uniform, xavier_normal, xavier_uniform, zeros
from symbackprop.train.lbfgs import LBFGS, FullBatch
from symbackprop.train.many import Runs
from symbackprop.train.models import Network
from symbackprop.train.optimizers import SGD, Adagrad, Adam, AdamW, Lion, Momentum, Nesterov, Optimizer, RMSprop
from symbackprop.train.plot import plot_decision_boundary
from symbackprop.train.run import History, Run, State
from symbackprop.train.schedules import constant, cosine, exponential, plateau, step, warmup
from symbackprop.train.training import Training

__all__ = [
    "LBFGS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Average",
    "FullBatch",
    "History",
    "Lion",
    "Momentum",
    "Nesterov",
    "Network",
    "Optimizer",
    "RMSprop",
    "Run",
    "Runs",
    "State",
    "Training",
    "batch_statistics",
    "compile_training",
    "constant",
    "cosine",
    "exponential",
    "he_normal",
    "he_uniform",
    "plateau",
    "plot_decision_boundary",
    "step",
    "warmup",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]
