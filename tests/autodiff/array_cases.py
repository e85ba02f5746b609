"""The rows over whole arrays that JAX or PyTorch has too, as functions of ours and of theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from symbackprop.ir import Type

INDEX = np.array([2, 0, 2, 1, 3])
OTHER = np.array([1, 1, 0, 2, 1])


def real(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(-2.0, 2.0, shape)


def regular(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(-1.0, 1.0, shape) + (shape[-1] + 1) * np.diag(rng.choice([-1.0, 1.0], shape[-1]))


def definite(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    a = rng.uniform(-1.0, 1.0, shape)
    return a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1])


@dataclass(frozen=True)
class Case:
    """A function of arrays: ours, and the same over JAX's (`np` is jax.numpy) or PyTorch's."""

    ours: Callable[..., Any]
    jax: Callable[..., Any] | None
    torch: Callable[..., Any] | None
    shapes: tuple[tuple[int, ...], ...]
    data: Callable[..., np.ndarray] = real
    rows: tuple[str, ...] = ()


def einsum(labels: Any, text: str, *shapes: tuple[int, ...]) -> Case:
    return Case(
        lambda f, a, b: f.contract(labels, a, b),
        lambda jax, np, a, b: np.einsum(text, a, b),
        lambda torch, a, b: torch.einsum(text, a, b),
        shapes,
        rows=("contract",),
    )


def symmetric(f: Any, a: Any) -> Any:
    return (a + f.mt(a)) * f.const((1, 2))


def indices(f: Any, name: str) -> Any:
    return f.wrap(f.builder.input(name, Type("int", (5,))))


CASES = {
    "broadcast": Case(
        lambda f, x: f.broadcast(x, (4, 2, 3), (0, 2)),
        lambda jax, np, x: np.broadcast_to(x[:, None, :], (4, 2, 3)),
        lambda torch, x: x[:, None, :].expand(4, 2, 3),
        ((4, 3),),
    ),
    "transpose": Case(
        lambda f, x: f.transpose(x, (2, 0, 1)),
        lambda jax, np, x: np.transpose(x, (2, 0, 1)),
        lambda torch, x: x.permute(2, 0, 1),
        ((4, 3, 2),),
    ),
    "reshape": Case(
        lambda f, x: f.reshape(x, (2, 6)),
        lambda jax, np, x: np.reshape(x, (2, 6)),
        lambda torch, x: x.reshape(2, 6),
        ((4, 3),),
    ),
    "matrix product": einsum(((0, 1), (1, 2), (0, 2)), "ij,jk->ik", (4, 3), (3, 5)),
    "batched product": einsum(((0, 1, 2), (0, 2, 3), (0, 3, 1)), "bij,bjk->bki", (2, 4, 3), (2, 3, 5)),
    "inner product": einsum(((0, 1), (0, 1), ()), "ij,ij->", (4, 3), (4, 3)),
    "outer product": einsum(((0,), (1,), (1, 0)), "i,j->ji", (4,), (3,)),
    "partial product": einsum(((0, 1, 2), (2, 0), (1,)), "ijk,ki->j", (2, 3, 4), (4, 2)),
    "diagonal": Case(
        lambda f, x: f.diagonal(x, (0, 1, 0)),
        lambda jax, np, x: np.einsum("iji->ij", x),
        lambda torch, x: torch.einsum("iji->ij", x),
        ((3, 2, 3),),
    ),
    "diagonalize": Case(
        lambda f, x: f.diagonalize(x, (0, 1, 1), (2, 3, 3)),
        lambda jax, np, x: x[:, :, None] * np.eye(3),
        lambda torch, x: torch.diag_embed(x),
        ((2, 3),),
    ),
    "reduce_sum": Case(
        lambda f, x: f.reduce_sum(x, (0, 2)),
        lambda jax, np, x: np.sum(x, (0, 2)),
        lambda torch, x: x.sum((0, 2)),
        ((4, 3, 2),),
    ),
    "reduce_prod": Case(
        lambda f, x: f.reduce_prod(x, (1,)), lambda jax, np, x: np.prod(x, 1), lambda torch, x: x.prod(1), ((4, 3),)
    ),
    "reduce_max": Case(
        lambda f, x: f.reduce_max(x, (1,)), lambda jax, np, x: np.max(x, 1), lambda torch, x: x.amax(1), ((4, 3),)
    ),
    "reduce_min": Case(
        lambda f, x: f.reduce_min(x, (0,)), lambda jax, np, x: np.min(x, 0), lambda torch, x: x.amin(0), ((4, 3),)
    ),
    "reduce_norm": Case(
        lambda f, x: f.reduce_norm(x, (1,)),
        lambda jax, np, x: np.sqrt(np.sum(x * x, 1)),
        lambda torch, x: torch.linalg.vector_norm(x, dim=1),
        ((4, 3),),
    ),
    "logsumexp": Case(
        lambda f, x: f.logsumexp(100 * x, (1,)),
        lambda jax, np, x: jax.scipy.special.logsumexp(100 * x, 1),
        lambda torch, x: torch.logsumexp(100 * x, 1),
        ((4, 3),),
    ),
    "softmax": Case(
        lambda f, x: f.softmax(3 * x, (1,)),
        lambda jax, np, x: jax.nn.softmax(3 * x, 1),
        lambda torch, x: torch.softmax(3 * x, 1),
        ((4, 3),),
    ),
    "log_softmax": Case(
        lambda f, x: f.log_softmax(100 * x, (0,)),
        lambda jax, np, x: jax.nn.log_softmax(100 * x, 0),
        lambda torch, x: torch.log_softmax(100 * x, 0),
        ((4, 3),),
    ),
    "weighted_logsumexp": Case(
        lambda f, w, x: f.weighted_logsumexp(f.exp(w), 100 * x, (1,)),
        lambda jax, np, w, x: jax.scipy.special.logsumexp(100 * x, 1, b=np.exp(w)),
        lambda torch, w, x: torch.logsumexp(100 * x + w, 1),
        ((4, 3), (4, 3)),
    ),
    "weighted_softmax": Case(
        lambda f, w, x: f.weighted_softmax(f.exp(w), 3 * x, (1,)),
        lambda jax, np, w, x: np.exp(3 * x) / np.sum(np.exp(w + 3 * x), 1)[:, None],
        lambda torch, w, x: torch.exp(3 * x - torch.logsumexp(3 * x + w, 1, keepdim=True)),
        ((4, 3), (4, 3)),
    ),
    "product_less_one": Case(
        lambda f, x: f.product_less_one(x, (1,)),
        lambda jax, np, x: np.prod(1 + x, 1) - 1,
        lambda torch, x: (1 + x).prod(1) - 1,
        ((4, 3),),
    ),
    "reduce_smooth_maximum": Case(
        lambda f, x, t: f.reduce_smooth_maximum(x, f.exp(t), (1,)),
        lambda jax, np, x, t: np.exp(t) * jax.scipy.special.logsumexp(x / np.exp(t)[:, None], 1),
        lambda torch, x, t: t.exp() * torch.logsumexp(x / t.exp()[:, None], 1),
        ((4, 3), (4,)),
    ),
    "softmax_entropy": Case(
        lambda f, x: f.softmax_entropy(3 * x, (1,)),
        lambda jax, np, x: -np.sum(jax.nn.softmax(3 * x, 1) * jax.nn.log_softmax(3 * x, 1), 1),
        lambda torch, x: -(torch.softmax(3 * x, 1) * torch.log_softmax(3 * x, 1)).sum(1),
        ((4, 3),),
    ),
    "softmax_deviation": Case(
        lambda f, x: f.softmax_deviation(x, (0,)),
        lambda jax, np, x: x - np.sum(jax.nn.softmax(x, 0) * x, 0),
        lambda torch, x: x - (torch.softmax(x, 0) * x).sum(0),
        ((4, 3),),
    ),
    "cumulative_sum": Case(
        lambda f, x: f.cumulative_sum(x, 0), lambda jax, np, x: np.cumsum(x, 0), lambda torch, x: x.cumsum(0), ((4, 3),)
    ),
    "cumulative_product": Case(
        lambda f, x: f.cumulative_product(x, 1),
        lambda jax, np, x: np.cumprod(x, 1),
        lambda torch, x: x.cumprod(1),
        ((3, 5),),
    ),
    "reversed cumulative_product": Case(
        lambda f, x: f.cumulative_product(x, 0, True),
        lambda jax, np, x: np.cumprod(x[::-1], 0)[::-1],
        lambda torch, x: x.flip(0).cumprod(0).flip(0),
        ((5,),),
        rows=("cumulative_product",),
    ),
    "linear_recurrence": Case(
        lambda f, a, b: f.linear_recurrence(a, b, 0),
        lambda jax, np, a, b: jax.lax.scan(lambda y, ab: (ab[0] * y + ab[1],) * 2, np.zeros(3), (a, b))[1],
        None,
        ((5, 3), (5, 3)),
    ),
    "slice": Case(
        lambda f, x: f.slice(x, ((1, 2, 2), (0, 1, 2))),
        lambda jax, np, x: x[1::2, :2],
        lambda torch, x: x[1::2, :2],
        ((5, 3),),
    ),
    "pad": Case(
        lambda f, x: f.pad(x, (6, 3), ((1, 2, 2), (1, 1, 2))),
        lambda jax, np, x: np.zeros((6, 3)).at[1:5:2, 1:].set(x),
        None,
        ((2, 2),),
    ),
    "concatenate": Case(
        lambda f, x, y: f.concatenate([x, y, x], 1),
        lambda jax, np, x, y: np.concatenate([x, y, x], 1),
        lambda torch, x, y: torch.cat([x, y, x], 1),
        ((2, 3), (2, 1)),
    ),
    "gather": Case(
        lambda f, x: f.gather(x, indices(f, "i"), indices(f, "j")),
        lambda jax, np, x: x[INDEX, OTHER],
        lambda torch, x: x[torch.from_numpy(INDEX), torch.from_numpy(OTHER)],
        ((4, 3),),
    ),
    "scatter_add": Case(
        lambda f, x: f.scatter_add(x, (4,), indices(f, "i")),
        lambda jax, np, x: jax.ops.segment_sum(x, INDEX, 4),
        lambda torch, x: torch.zeros(4, dtype=x.dtype).index_add(0, torch.from_numpy(INDEX), x),
        ((5,),),
    ),
    "solve": Case(
        lambda f, a, b: f.solve(a, b),
        lambda jax, np, a, b: np.linalg.solve(a, b),
        lambda torch, a, b: torch.linalg.solve(a, b),
        ((4, 4), (4, 2)),
        regular_and_real := lambda rng, shape: regular(rng, shape) if shape[-1] == shape[-2] else real(rng, shape),
    ),
    "stacked solve": Case(
        lambda f, a, b: f.solve(a, b),
        lambda jax, np, a, b: np.linalg.solve(a, b),
        lambda torch, a, b: torch.linalg.solve(a, b),
        ((2, 4, 4), (2, 4, 3)),
        regular_and_real,
        ("solve",),
    ),
    "inv": Case(
        lambda f, a: f.inv(a),
        lambda jax, np, a: np.linalg.inv(a),
        lambda torch, a: torch.linalg.inv(a),
        ((3, 3),),
        regular,
    ),
    "det": Case(
        lambda f, a: f.det(a),
        lambda jax, np, a: np.linalg.det(a),
        lambda torch, a: torch.linalg.det(a),
        ((2, 4, 4),),
        regular,
        ("det", "cofactor", "cofactor_tangent"),
    ),
    "log_abs_det": Case(
        lambda f, a: f.log_abs_det(a),
        lambda jax, np, a: np.linalg.slogdet(a)[1],
        lambda torch, a: torch.linalg.slogdet(a)[1],
        ((4, 4),),
        regular,
    ),
    "cholesky": Case(
        lambda f, a: f.cholesky(symmetric(f, a)),
        lambda jax, np, a: np.linalg.cholesky((a + a.T) / 2),
        lambda torch, a: torch.linalg.cholesky((a + a.T) / 2),
        ((4, 4),),
        definite,
    ),
    "triangular_solve": Case(
        lambda f, a, b: f.triangular_solve(a, b, True, False),
        lambda jax, np, a, b: jax.scipy.linalg.solve_triangular(a, b, lower=True),
        lambda torch, a, b: torch.linalg.solve_triangular(a.tril(), b, upper=False),
        ((4, 4), (4, 2)),
        regular_and_real,
    ),
    "transposed triangular_solve": Case(
        lambda f, a, b: f.triangular_solve(a, b, False, True),
        lambda jax, np, a, b: jax.scipy.linalg.solve_triangular(a, b, lower=False, trans=1),
        lambda torch, a, b: torch.linalg.solve_triangular(a.triu().T, b, upper=False),
        ((4, 4), (4, 2)),
        regular_and_real,
        ("triangular_solve",),
    ),
    # Models of a few rows, through all passes.
    "two layers": Case(
        lambda f, x, v, w: f.matmul(f.tanh(f.matmul(x, v)), w),
        lambda jax, np, x, v, w: np.tanh(x @ v) @ w,
        lambda torch, x, v, w: torch.tanh(x @ v) @ w,
        ((5, 3), (3, 4), (4, 2)),
        rows=("contract",),
    ),
    "cross-entropy": Case(
        lambda f, x, y: f.reduce_sum(y * f.log(f.exp(x) / f.broadcast(f.reduce_sum(f.exp(x), (1,)), (5, 3), (0,)))),
        lambda jax, np, x, y: np.sum(y * jax.nn.log_softmax(x, 1)),
        lambda torch, x, y: (y * torch.log_softmax(x, 1)).sum(),
        ((5, 3), (5, 3)),
        rows=("log_softmax",),
    ),
    "attention": Case(
        lambda f, q, k, v: f.matmul(f.softmax(f.matmul(q, f.mt(k)), (1,)), v),
        lambda jax, np, q, k, v: jax.nn.softmax(q @ k.T, 1) @ v,
        lambda torch, q, k, v: torch.softmax(q @ k.T, 1) @ v,
        ((5, 3), (4, 3), (4, 2)),
        rows=("softmax", "contract"),
    ),
    "Gaussian likelihood": Case(
        lambda f, a, y: f.log_abs_det(symmetric(f, a)) + f.inner(y, f.solve(symmetric(f, a), y)),
        lambda jax, np, a, y: np.linalg.slogdet((a + a.T) / 2)[1] + np.sum(y * np.linalg.solve((a + a.T) / 2, y)),
        lambda torch, a, y: torch.linalg.slogdet((a + a.T) / 2)[1] + (y * torch.linalg.solve((a + a.T) / 2, y)).sum(),
        ((4, 4), (4, 1)),
        lambda rng, shape: definite(rng, shape) if shape[-1] == shape[-2] else real(rng, shape),
        ("log_abs_det", "solve"),
    ),
}
