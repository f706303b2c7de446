"""One run of the benchmarks: its server, its sides, how much it measures, and where the figures go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from results import Results
from sides import OURS, SideOf
from working import Stage


@dataclass(frozen=True, slots=True)
class Session:
    """`jobs` is the size of a throughput round; `finished` how many finished rows stand in the way."""

    stage: Stage
    results: Results
    peers: tuple[SideOf, ...]
    rounds: int = 3
    jobs: int = 20_000
    finished: int = 1_000_000
    quick: bool = False

    @property
    def sides(self) -> tuple[SideOf, ...]:
        """Return ours and the peers."""
        return (OURS, *self.peers)

    def in_turns(
        self, benchmark: str, case: str, runs: Mapping[str, Callable[[], dict[str, float]]], rounds: int | None = None
    ) -> None:
        """Run each side once a round, so that a noisy machine is noisy for all."""
        found: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
        for _ in range(rounds or self.rounds):
            for name, run in runs.items():
                found[name].append(run())
        self.results.add(benchmark, case, found)
