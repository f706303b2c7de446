"""What every runner must do, as tests that a runner's author inherits: see docs/custom-runners.md.

class TestMyRunner(RunnerConformance):
    @contextmanager
    def subject(self):
        yield Subject(runner=MyRunner(), service=..., succeeds=Try("greet", {"name": "Mo"}), ...)
"""

from .executions import ExecutionRules
from .plans import PlanRules
from .subject import Subject, Try


class RunnerConformance(PlanRules, ExecutionRules):
    """All rules. Needs pytest to collect it and nothing else; each rule is a method whose docstring says it."""


__all__ = ["RunnerConformance", "Subject", "Try"]
