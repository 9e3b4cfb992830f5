"""What a swap would cost, and how to make it cost less: a quick study of one pair on one path."""

from ccsim.experiment.advice.answer import METRICS, Advice, Question, SwapWay, answered
from ccsim.experiment.advice.asked import Asked, asked
from ccsim.experiment.advice.design import AdvicePlan, plan_of
from ccsim.experiment.advice.run import advise

__all__ = [
    "METRICS",
    "Advice",
    "AdvicePlan",
    "Asked",
    "Question",
    "SwapWay",
    "advise",
    "answered",
    "asked",
    "plan_of",
]
