"""Trajectories of 100 steps against torch.optim, in float64: optimisers, schedules, decay and clipping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Lion,
    Momentum,
    Nesterov,
    Optimizer,
    RMSprop,
    compile_training,
    constant,
    cosine,
    exponential,
    plateau,
    step,
    warmup,
)
from symbackprop.errors import CallError, OptionError

torch = pytest.importorskip("torch")
EPOCHS, BATCH = 34, 8  # 102 steps of 8, 8 and 4 samples


def ours(network: Any, backend: str = "numba", **options: Any) -> Any:
    t = compile_training(
        network.loss, network.params, network.data, batch=network.N, backend=backend, cache=False, **options
    )
    return t.fit(network.start, network.given, epochs=EPOCHS, batch_size=BATCH, shuffle=False)


def torchs(network: Any, optimizer: Callable[[Any], Any], schedule: Any = None, clip: Any = None) -> dict[str, Any]:
    p = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in network.start.items()}
    X, Y = (torch.tensor(network.given[name]) for name in ("X", "Y"))
    rule = optimizer(list(p.values()))
    rates = schedule(rule) if schedule else None
    for _ in range(EPOCHS):
        for start in range(0, len(X), BATCH):
            batch = slice(start, start + BATCH)
            rule.zero_grad()
            hidden = torch.tanh(X[batch] @ p["W1"] + p["b1"])
            loss = torch.mean((hidden @ p["W2"] + p["b2"] - Y[batch]) ** 2)
            loss.backward()
            if clip:
                clip(list(p.values()))
            rule.step()
        if rates:
            rates.step()
    return {name: value.detach().numpy() for name, value in p.items()}


def agree(run: Any, theirs: dict[str, Any]) -> None:
    for name, value in theirs.items():
        np.testing.assert_allclose(run.params[name], value, rtol=1e-10, atol=1e-10)


o = torch.optim
RULES = {
    "sgd": (SGD(lr=0.1), lambda p: o.SGD(p, lr=0.1)),
    "momentum": (Momentum(lr=0.05), lambda p: o.SGD(p, lr=0.05, momentum=0.9)),
    "nesterov": (Nesterov(lr=0.05, momentum=0.8), lambda p: o.SGD(p, lr=0.05, momentum=0.8, nesterov=True)),
    "rmsprop": (RMSprop(lr=0.01), lambda p: o.RMSprop(p, lr=0.01)),
    "adagrad": (Adagrad(lr=0.1), lambda p: o.Adagrad(p, lr=0.1)),
    "adam": (Adam(lr=0.02), lambda p: o.Adam(p, lr=0.02)),
    "adamw": (AdamW(lr=0.02, weight_decay=0.1), lambda p: o.AdamW(p, lr=0.02, weight_decay=0.1)),
}


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("rule", RULES)
def test_trajectories_are_torchs(network: Any, rule: str, backend: str) -> None:
    own, theirs = RULES[rule]
    agree(ours(network, backend, optimizer=own), torchs(network, theirs))


def test_lion_is_that_of_its_paper(network: Any) -> None:
    """Torch has none: its algorithm, line by line."""

    class Theirs(torch.optim.Optimizer):  # type: ignore[misc, name-defined]
        def __init__(self, params: Any) -> None:
            super().__init__(params, {})

        def step(self) -> None:
            for p in self.param_groups[0]["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                p.data = p - 0.01 * (torch.sign(0.9 * m + 0.1 * p.grad) + 0.05 * p)
                self.state[p]["m"] = 0.99 * m + 0.01 * p.grad

    agree(ours(network, optimizer=Lion(lr=0.01, weight_decay=0.05)), torchs(network, Theirs))


s = torch.optim.lr_scheduler
SCHEDULES = {
    "step": (step(10, 0.5), lambda rule: s.StepLR(rule, 10, 0.5)),
    "exponential": (exponential(0.97), lambda rule: s.ExponentialLR(rule, 0.97)),
    "cosine": (cosine(0.01), lambda rule: s.CosineAnnealingLR(rule, EPOCHS, 0.01)),
    "constant": (constant(), None),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_are_torchs(network: Any, schedule: str) -> None:
    own, theirs = SCHEDULES[schedule]
    agree(ours(network, optimizer=SGD(lr=0.1), schedule=own), torchs(network, lambda p: o.SGD(p, lr=0.1), theirs))


def test_a_warm_up_grows_step_by_step_and_then_gives_way(network: Any) -> None:
    run = ours(network, optimizer=SGD(lr=0.1), schedule=warmup(12, exponential(0.9)))
    expected = [0.1 * min((3 * epoch + 3) / 12, 1.0) * 0.9**epoch for epoch in range(EPOCHS)]
    np.testing.assert_allclose(run.history.lr, expected, rtol=1e-12)


def test_a_plateau_lowers_the_rate_as_torchs_does(network: Any) -> None:
    run = ours(network, optimizer=SGD(lr=0.3), schedule=plateau(0.5, patience=1, threshold=0.2))
    p = torch.nn.Parameter(torch.zeros(1))
    rule = o.SGD([p], lr=0.3)
    rates = s.ReduceLROnPlateau(rule, factor=0.5, patience=1, threshold=0.2)
    expected = []
    for loss in run.history.loss:
        expected.append(rule.param_groups[0]["lr"])
        rates.step(loss)
    assert len(set(expected)) > 2
    np.testing.assert_allclose(run.history.lr, expected, rtol=1e-14)


def test_clipping_and_penalties_are_torchs(network: Any) -> None:
    norms = torch.nn.utils.clip_grad_norm_
    values = torch.nn.utils.clip_grad_value_
    sgd = lambda p: o.SGD(p, lr=0.1)  # noqa: E731
    agree(ours(network, optimizer=SGD(lr=0.1), clip_norm=0.3), torchs(network, sgd, clip=lambda p: norms(p, 0.3)))
    agree(ours(network, optimizer=SGD(lr=0.1), clip_value=0.1), torchs(network, sgd, clip=lambda p: values(p, 0.1)))
    agree(ours(network, optimizer=SGD(lr=0.1), l2=0.05), torchs(network, lambda p: o.SGD(p, lr=0.1, weight_decay=0.05)))
    agree(
        ours(network, optimizer=Adam(lr=0.02), weight_decay=0.1),
        torchs(network, lambda p: o.AdamW(p, lr=0.02, weight_decay=0.1)),
    )


def test_a_rule_of_ones_own_takes_a_few_lines(network: Any) -> None:
    @dataclass(frozen=True)
    class Heavy(Optimizer):
        def update(self, p: Any, g: Any, lr: Any, t: Any, velocity: Any) -> Any:
            velocity = sp.Rational(9, 10) * velocity + g
            return p - lr * velocity, velocity

    assert Heavy().slots == ("velocity",)
    agree(ours(network, optimizer=Heavy(lr=0.05)), torchs(network, RULES["momentum"][1]))


def test_wrong_rules_are_told(network: Any) -> None:
    @dataclass(frozen=True)
    class Short(Optimizer):
        def update(self, p: Any, g: Any, lr: Any, t: Any, m: Any) -> Any:
            return p - lr * g

    with pytest.raises(OptionError, match=r"Short\.update returns 1 values: .* each of its states \(m\)"):
        ours(network, optimizer=Short())
    for rule, known in ((Adam, "lr, beta1, beta2, epsilon"), (Short, "lr")):
        with pytest.raises(CallError, match=rf"{rule.__name__}\(\) has no option 'momentum'; it has {known}$"):
            rule(lr=0.1, momentum=0.9)
    with pytest.raises(OptionError, match="lr=-1"):
        SGD(lr=-1)
    with pytest.raises(OptionError, match="an Optimizer is due"):
        ours(network, optimizer="adam")


def test_groups_are_those_of_torch(network: Any) -> None:
    W1 = network.params[0]

    def theirs(p: Any) -> Any:
        decayed = [{"params": [p[0]], "lr": 0.01, "weight_decay": 0.2}, {"params": p[1:], "weight_decay": 0.1}]
        return o.AdamW(decayed, lr=0.02)

    run = ours(network, optimizer=Adam(lr=0.02), weight_decay=0.1, groups={W1: {"lr": 0.5, "weight_decay": 0.2}})
    named = ours(network, optimizer=Adam(lr=0.02), weight_decay=0.1, groups={"W1": {"lr": 0.5, "weight_decay": 0.2}})
    assert np.array_equal(run.params["W1"], named.params["W1"])
    agree(run, torchs(network, theirs))
    with pytest.raises(OptionError, match="groups names Q, which is no parameter; they are W1, W2, b1, b2"):
        ours(network, groups={sp.Symbol("Q"): {"lr": 1.0}})
    with pytest.raises(OptionError, match="groups gives W1 rate=1"):
        ours(network, groups={W1: {"rate": 1}})


def test_accumulated_gradients_are_those_of_larger_minibatches(network: Any) -> None:
    """Minibatches of 5, two a step, are minibatches of 10: means of means of equal weight."""
    for options in ({"optimizer": Adam(lr=0.02)}, {"optimizer": SGD(lr=0.1), "clip_norm": 0.3}):
        t = [
            compile_training(
                network.loss, network.params, network.data, batch=network.N, accumulate=k, cache=False, **options
            )
            for k in (1, 2)
        ]
        whole = t[0].fit(network.start, network.given, epochs=10, batch_size=10, shuffle=False)
        parts = t[1].fit(network.start, network.given, epochs=10, batch_size=5, shuffle=False)
        agree(parts, whole.params)
        assert t[1].slots[-4:] == ("sum_W1", "sum_b1", "sum_W2", "sum_b2")
