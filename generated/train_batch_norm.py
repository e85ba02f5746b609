"""Training by SGD(lr=0.2).

    Z1 = 1/sqrt(sum(((-1)/N*sum(X, axis=0) + X)**2, axis=0)/N + (1e-05))*((-1)/N*sum(X, axis=0) + X)
        @ W1
    Z2 = Max(beta1 + 1/sqrt(sum(((-1)/N*sum(Z1, axis=0) + Z1)**2, axis=0)/N +
        (1e-05))*gamma1*((-1)/N*sum(Z1, axis=0) + Z1), 0) @ W2
    Z3 = Max(beta2 + 1/sqrt(sum(((-1)/N*sum(Z2, axis=0) + Z2)**2, axis=0)/N +
        (1e-05))*gamma2*((-1)/N*sum(Z2, axis=0) + Z2), 0) @ W3 + b3
    value = sum(softplus(Z3) - Y*Z3)/N

Arguments, of each of which the loop starts from a copy:
    W1_start       array of real numbers, shape (2, 12)
    W2_start       array of real numbers, shape (12, 8)
    W3_start       array of real numbers, shape (8, 1)
    beta1_start    array of real numbers, shape (1, 12)
    beta2_start    array of real numbers, shape (1, 8)
    b3_start       array of real numbers, shape (1, 1)
    gamma1_start   array of real numbers, shape (1, 12)
    gamma2_start   array of real numbers, shape (1, 8)
Arguments that stay as they are:
    X_all          array of real numbers, shape (N, 2)
    Y_all          array of real numbers, shape (N, 1)
    order          array of integers, shape (epochs, samples): the order of each epoch
Numbers: lr, the learning rate; all_epochs, how many epochs there are in all, for schedules that
    ask;
epochs, batch_size, steps_before, epochs_before: epochs to run, samples in a minibatch, steps
    and epochs that have been done before.
Returns losses, largest gradient norms and learning rates, one an epoch, and an array of one:
    how many steps had a finite loss, after which it stops; then the first arguments as they
    have become.
Target numpy, float64. Kinks: zero.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/train_batch_norm.py --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def train(
    W1_start,
    W2_start,
    W3_start,
    beta1_start,
    beta2_start,
    b3_start,
    gamma1_start,
    gamma2_start,
    X_all,
    Y_all,
    order,
    lr,
    all_epochs,
    epochs,
    batch_size,
    steps_before,
    epochs_before,
):
    """The training loop: epochs, minibatches, and in each of these a gradient and an update."""
    W1_start = np.asarray(W1_start, np.float64)
    if np.ndim(W1_start) != 2:
        raise ValueError("W1_start must have 2 axes")
    W2_start = np.asarray(W2_start, np.float64)
    if np.ndim(W2_start) != 2:
        raise ValueError("W2_start must have 2 axes")
    W3_start = np.asarray(W3_start, np.float64)
    if np.ndim(W3_start) != 2:
        raise ValueError("W3_start must have 2 axes")
    beta1_start = np.asarray(beta1_start, np.float64)
    if np.ndim(beta1_start) != 2:
        raise ValueError("beta1_start must have 2 axes")
    beta2_start = np.asarray(beta2_start, np.float64)
    if np.ndim(beta2_start) != 2:
        raise ValueError("beta2_start must have 2 axes")
    b3_start = np.asarray(b3_start, np.float64)
    if np.ndim(b3_start) != 2:
        raise ValueError("b3_start must have 2 axes")
    gamma1_start = np.asarray(gamma1_start, np.float64)
    if np.ndim(gamma1_start) != 2:
        raise ValueError("gamma1_start must have 2 axes")
    gamma2_start = np.asarray(gamma2_start, np.float64)
    if np.ndim(gamma2_start) != 2:
        raise ValueError("gamma2_start must have 2 axes")
    X_all = np.asarray(X_all, np.float64)
    if np.ndim(X_all) != 2:
        raise ValueError("X_all must have 2 axes")
    Y_all = np.asarray(Y_all, np.float64)
    if np.ndim(Y_all) != 2:
        raise ValueError("Y_all must have 2 axes")
    order = np.asarray(order, np.int64)
    if np.ndim(order) != 2:
        raise ValueError("order must have 2 axes")
    lr = np.asarray(lr, np.float64)
    all_epochs = np.asarray(all_epochs, np.float64)
    epochs = int(epochs)
    batch_size = int(batch_size)
    steps_before = int(steps_before)
    epochs_before = int(epochs_before)
    N_all = X_all.shape[0]
    if W1_start.shape != (2, 12):
        raise ValueError("W1_start must have shape (2, 12)")
    if W2_start.shape != (12, 8):
        raise ValueError("W2_start must have shape (12, 8)")
    if W3_start.shape != (8, 1):
        raise ValueError("W3_start must have shape (8, 1)")
    if beta1_start.shape != (1, 12):
        raise ValueError("beta1_start must have shape (1, 12)")
    if beta2_start.shape != (1, 8):
        raise ValueError("beta2_start must have shape (1, 8)")
    if b3_start.shape != (1, 1):
        raise ValueError("b3_start must have shape (1, 1)")
    if gamma1_start.shape != (1, 12):
        raise ValueError("gamma1_start must have shape (1, 12)")
    if gamma2_start.shape != (1, 8):
        raise ValueError("gamma2_start must have shape (1, 8)")
    if X_all.shape != (N_all, 2):
        raise ValueError("X_all must have shape (N_all, 2)")
    if Y_all.shape != (N_all, 1):
        raise ValueError("Y_all must have shape (N_all, 1)")
    if order.shape != (epochs, N_all):
        raise ValueError("order must have shape (epochs, N_all)")
    losses = np.zeros(epochs, np.float64)
    norms = np.zeros(epochs, np.float64)
    rates = np.zeros(epochs, np.float64)
    steps_done = np.zeros(1, np.int64)
    W1 = W1_start
    W2 = W2_start
    W3 = W3_start
    beta1 = beta1_start
    beta2 = beta2_start
    b3 = b3_start
    gamma1 = gamma1_start
    gamma2 = gamma2_start
    batches = (N_all + (batch_size - 1)) // batch_size
    for e in range(epochs):
        X_epoch = X_all[order[e]]
        Y_epoch = Y_all[order[e]]
        loss_sum = 0.0
        largest = 0.0
        for step in range(batches):
            start = step * batch_size
            N = min(batch_size, N_all - start)
            X = X_epoch[start : start + N]
            Y = Y_epoch[start : start + N]
            v1 = np.divide(-1.0, N)  # (-1)/N
            v2 = v1 * X.sum(axis=0) + X  # (-1)/N*sum(X, axis=0) + X
            v3 = 1.0 / np.sqrt((v2 * v2).sum(axis=0) / N + 1e-05)
            Z1 = v2 @ (v3[:, None] * W1)
            v4 = v1 * Z1.sum(axis=0) + Z1
            v5 = np.sqrt((v4 * v4).sum(axis=0) / N + 1e-05)
            v6 = 1.0 / v5
            v7 = np.broadcast_to(v6, (N, 12)) * gamma1
            v8 = beta1 + v7 * v4
            v9 = np.maximum(v8, 0.0)
            Z2 = v9 @ W2
            v10 = v1 * Z2.sum(axis=0) + Z2
            v11 = np.sqrt((v10 * v10).sum(axis=0) / N + 1e-05)
            v12 = 1.0 / v11
            v13 = np.broadcast_to(v12, (N, 8)) * gamma2
            v14 = beta2 + v13 * v10
            v15 = np.maximum(v14, 0.0)
            Z3 = v15 @ W3 + b3
            v16 = np.exp(-np.abs(Z3))
            v17 = np.maximum(Z3, 0.0) + np.log1p(v16) - Y * Z3
            result = np.sum(v17) / N

            # Adjoints, from the result back to the inputs.
            v18 = np.where(Z3 < 0.0, v16, 1.0) / (v16 + 1.0) / N
            Z3_bar = v18 - Y / N
            v19 = Z3_bar.sum(axis=0)
            v15_bar = Z3_bar @ W3.T
            W3_bar = v15.T @ Z3_bar
            v20 = v14 > 0.0
            v21 = v15_bar * v10
            v22 = np.where(v20, v21 * v12, 0.0).sum(axis=0)
            v23 = np.where(v20, v21 * gamma2, 0.0).sum(axis=0) * (v12 / v11)
            v24 = v23 * (0.5 / np.abs(v11)) / N * (2.0 * v10)
            v10_bar = np.where(v20, v15_bar * v13, 0.0) - v24
            Z2_bar = v10_bar + v10_bar.sum(axis=0) * v1
            v25 = np.where(v20, v15_bar, 0.0).sum(axis=0)
            v9_bar = Z2_bar @ W2.T
            W2_bar = v9.T @ Z2_bar
            v26 = v8 > 0.0
            v27 = v9_bar * v4
            v28 = np.where(v26, v27 * v6, 0.0).sum(axis=0)
            v29 = np.where(v26, v27 * gamma1, 0.0).sum(axis=0) * (v6 / v5)
            v30 = v29 * (0.5 / np.abs(v5)) / N * (2.0 * v4)
            v4_bar = np.where(v26, v9_bar * v7, 0.0) - v30
            Z1_bar = v4_bar + v4_bar.sum(axis=0) * v1
            v31 = np.where(v26, v9_bar, 0.0).sum(axis=0)
            v32 = Z1_bar.T @ v2 * v3
            v33 = np.sum((v32 * v32).T) + np.sum(W2_bar * W2_bar) + np.sum(W3_bar * W3_bar)
            v34 = v33 + np.sum((v31 * v31)[None]) + np.sum((v25 * v25)[None])
            v35 = v34 + np.sum((v19 * v19)[:, None]) + np.sum((v28 * v28)[None])
            norm = np.sqrt(v35 + np.sum((v22 * v22)[None]))
            W1_new = W1 - (v32 * lr).T
            W2_new = W2 - W2_bar * lr
            W3_new = W3 - W3_bar * lr
            beta1_new = beta1 - (v31 * lr)[None]
            beta2_new = beta2 - (v25 * lr)[None]
            b3_new = b3 - (v19 * lr)[:, None]
            gamma1_new = gamma1 - (v28 * lr)[None]
            gamma2_new = gamma2 - (v22 * lr)[None]
            rate = lr

            # What the step has found, and where it stops.
            loss = result
            loss_sum += loss * np.float64(N)
            largest = np.maximum(largest, norm)
            rates[e] = rate
            if loss - loss != 0.0:
                break
            steps_done[0] = e * batches + step + 1
            W1 = W1_new
            W2 = W2_new
            W3 = W3_new
            beta1 = beta1_new
            beta2 = beta2_new
            b3 = b3_new
            gamma1 = gamma1_new
            gamma2 = gamma2_new
        losses[e] = loss_sum / np.float64(N_all)
        norms[e] = largest
        if np.float64(steps_done[0] - (e + 1) * batches) != 0.0:
            break
    return (losses, norms, rates, steps_done), (W1, W2, W3, beta1, beta2, b3, gamma1, gamma2)
