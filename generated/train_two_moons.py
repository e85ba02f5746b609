"""Training by SGD(lr=0.1).

    A1 = Max(X @ W1 + b1, 0)
    A2 = Max(A1 @ W2 + b2, 0)
    Z3 = A2 @ W3 + b3
    value = sum(softplus(Z3) - Y*Z3)/N

Arguments, of each of which the loop starts from a copy:
    W1_start       array of real numbers, shape (2, 10)
    b1_start       array of real numbers, shape (1, 10)
    W2_start       array of real numbers, shape (10, 8)
    b2_start       array of real numbers, shape (1, 8)
    W3_start       array of real numbers, shape (8, 1)
    b3_start       array of real numbers, shape (1, 1)
Arguments that stay as they are:
    X_all          array of real numbers, shape (N, 2)
    Y_all          array of real numbers, shape (N, 1)
    order          array of integers, shape (epochs, samples): the order of each epoch
Numbers: lr, the learning rate; all_epochs, how many epochs there are in all, for schedules;
    epochs, batch_size, steps_before, epochs_before: epochs to run, samples in a minibatch,
    steps and epochs that have been done before.
For example, 20 epochs from the start, 32 samples a step:
    order = np.array([np.random.permutation(len(X_all)) for _ in range(20)])
    (losses, norms, rates, steps), carried = train(W1_start, ..., order, 0.1, 20.0, 20, 32, 0, 0)
Returns losses, largest gradient norms and learning rates, one an epoch, and an array of one:
    how many steps had a finite loss, after which it stops; then the first arguments as they
    have become.
Target numba, float64. Kinks: zero.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/train_two_moons.py --target numba
"""

import math

import numpy as np
from numba import njit


@njit(error_model="numpy")
def train(
    W1_start,
    b1_start,
    W2_start,
    b2_start,
    W3_start,
    b3_start,
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
    W1_start = np.ascontiguousarray(np.asarray(W1_start, np.float64))
    b1_start = np.ascontiguousarray(np.asarray(b1_start, np.float64))
    W2_start = np.ascontiguousarray(np.asarray(W2_start, np.float64))
    b2_start = np.ascontiguousarray(np.asarray(b2_start, np.float64))
    W3_start = np.ascontiguousarray(np.asarray(W3_start, np.float64))
    b3_start = np.ascontiguousarray(np.asarray(b3_start, np.float64))
    X_all = np.ascontiguousarray(np.asarray(X_all, np.float64))
    Y_all = np.ascontiguousarray(np.asarray(Y_all, np.float64))
    order = np.ascontiguousarray(order).astype(np.int64)
    lr = float(lr)
    all_epochs = float(all_epochs)
    epochs = int(epochs)
    batch_size = int(batch_size)
    steps_before = int(steps_before)
    epochs_before = int(epochs_before)
    N_all = X_all.shape[0]
    if W1_start.shape != (2, 10):
        raise ValueError("W1_start must have shape (2, 10)")
    if b1_start.shape != (1, 10):
        raise ValueError("b1_start must have shape (1, 10)")
    if W2_start.shape != (10, 8):
        raise ValueError("W2_start must have shape (10, 8)")
    if b2_start.shape != (1, 8):
        raise ValueError("b2_start must have shape (1, 8)")
    if W3_start.shape != (8, 1):
        raise ValueError("W3_start must have shape (8, 1)")
    if b3_start.shape != (1, 1):
        raise ValueError("b3_start must have shape (1, 1)")
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
    W1 = np.empty((2, 10), np.float64)
    b1 = np.empty((1, 10), np.float64)
    W2 = np.empty((10, 8), np.float64)
    b2 = np.empty((1, 8), np.float64)
    W3 = np.empty((8, 1), np.float64)
    b3 = np.empty((1, 1), np.float64)
    X_epoch = np.empty((N_all, 2), np.float64)
    Y_epoch = np.empty((N_all, 1), np.float64)
    for i in range(2):
        for j in range(10):
            W1[i, j] = W1_start[i, j]
    for j in range(10):
        b1[0, j] = b1_start[0, j]
    for i in range(10):
        for j in range(8):
            W2[i, j] = W2_start[i, j]
    for j in range(8):
        b2[0, j] = b2_start[0, j]
    for i in range(8):
        W3[i, 0] = W3_start[i, 0]
    b3[0, 0] = b3_start[0, 0]
    batches = (N_all + (batch_size - 1)) // batch_size
    for e in range(epochs):
        for i in range(N_all):
            for j in range(2):
                X_epoch[i, j] = X_all[order[e, i], j]
        for i in range(N_all):
            Y_epoch[i, 0] = Y_all[order[e, i], 0]
        loss_sum = 0.0
        largest = 0.0
        for step in range(batches):
            start = step * batch_size
            N = min(batch_size, N_all - start)
            X = X_epoch[start : start + N]
            Y = Y_epoch[start : start + N]
            v1 = np.empty(10, np.float64)
            v2 = np.empty(10, np.float64)
            A1 = np.empty(10, np.float64)
            v3 = np.empty(8, np.float64)
            v4 = np.empty(8, np.float64)
            A2 = np.empty(8, np.float64)
            v5 = np.empty(1, np.float64)
            Z3_bar = np.empty(1, np.float64)
            v8 = np.zeros(1, np.float64)
            A2_bar = np.empty(8, np.float64)
            W3_bar = np.zeros((8, 1), np.float64)
            v4_bar = np.empty(8, np.float64)
            v9 = np.zeros(8, np.float64)
            A1_bar = np.empty(10, np.float64)
            W2_bar = np.zeros((10, 8), np.float64)
            v2_bar = np.empty(10, np.float64)
            v10 = np.zeros(10, np.float64)
            W1_bar = np.zeros((2, 10), np.float64)
            X_row = np.empty(2, np.float64)
            total = 0.0
            v11 = 0.0
            v13 = 0.0
            v14 = 0.0
            v16 = 0.0
            v17 = 0.0
            v19 = 0.0
            rate = lr
            for i in range(N):
                for j in range(2):
                    X_row[j] = X[i, j]
                for j in range(10):
                    v23 = 0.0
                    for k in range(2):
                        v23 += X_row[k] * W1[k, j]  # X @ W1
                    v1[j] = v23
                for j in range(10):
                    v2[j] = v1[j] + b1[0, j]  # X @ W1 + b1
                    A1[j] = np.maximum(v2[j], 0.0)
                for j in range(8):
                    v24 = 0.0
                    for k in range(10):
                        v24 += A1[k] * W2[k, j]  # A1 @ W2
                    v3[j] = v24
                for j in range(8):
                    v4[j] = v3[j] + b2[0, j]  # A1 @ W2 + b2
                    A2[j] = np.maximum(v4[j], 0.0)
                v25 = 0.0
                for k in range(8):
                    v25 += A2[k] * W3[k, 0]
                v5[0] = v25
                Z3 = v5[0] + b3[0, 0]
                v6 = math.exp(-abs(Z3))
                v7 = np.maximum(Z3, 0.0) + math.log1p(v6) - Y[i, 0] * Z3
                total += v7

                # Adjoints, from the result back to the inputs.
                Z3_bar[0] = (v6 if Z3 < 0.0 else 1.0) / (v6 + 1.0) / N - Y[i, 0] / N
                v8[0] += Z3_bar[0]
                for j in range(8):
                    A2_bar[j] = Z3_bar[0] * W3[j, 0]
                for j in range(8):
                    W3_bar[j, 0] += A2[j] * Z3_bar[0]
                for j in range(8):
                    v4_bar[j] = A2_bar[j] if v4[j] > 0.0 else 0.0  # adjoint of A1 @ W2 + b2
                    v9[j] += v4_bar[j]
                for j in range(10):
                    v26 = 0.0
                    for k in range(8):
                        v26 += v4_bar[k] * W2[j, k]
                    A1_bar[j] = v26
                for j in range(10):
                    for k in range(8):
                        W2_bar[j, k] += A1[j] * v4_bar[k]
                for j in range(10):
                    v2_bar[j] = A1_bar[j] if v2[j] > 0.0 else 0.0  # adjoint of X @ W1 + b1
                    v10[j] += v2_bar[j]
                for j in range(2):
                    for k in range(10):
                        W1_bar[j, k] += X_row[j] * v2_bar[k]
            result = total / N

            # What the step has found, and where it stops.
            loss = result
            loss_sum += loss * float(N)
            if loss - loss != 0.0:
                break

            # The update: each array in its own place.
            for i in range(2):
                for j in range(10):
                    v11 += W1_bar[i, j] * W1_bar[i, j]
                    W1[i, j] = W1[i, j] - W1_bar[i, j] * lr
            v12 = v1  # v1 is done with
            v20 = v2  # v2 is done with
            for i in range(10):
                v12[i] = v10[i] * v10[i]
                v20[i] = v10[i] * lr
            for j in range(10):
                v13 += v12[j]
                b1[0, j] = b1[0, j] - v20[j]
            for i in range(10):
                for j in range(8):
                    v14 += W2_bar[i, j] * W2_bar[i, j]
                    W2[i, j] = W2[i, j] - W2_bar[i, j] * lr
            v15 = v3  # v3 is done with
            v21 = v4  # v4 is done with
            for i in range(8):
                v15[i] = v9[i] * v9[i]
                v21[i] = v9[i] * lr
            for j in range(8):
                v16 += v15[j]
                b2[0, j] = b2[0, j] - v21[j]
            for i in range(8):
                v17 += W3_bar[i, 0] * W3_bar[i, 0]
                W3[i, 0] = W3[i, 0] - W3_bar[i, 0] * lr
            v18 = v5  # v5 is done with
            v18[0] = v8[0] * v8[0]
            v22 = Z3_bar  # Z3_bar is done with
            v22[0] = v8[0] * lr
            v19 += v18[0]
            b3[0, 0] = b3[0, 0] - v22[0]
            norm = math.sqrt(v11 + v13 + v14 + v16 + v17 + v19)
            largest = np.maximum(largest, norm)
            rates[e] = rate
            steps_done[0] = e * batches + step + 1
        losses[e] = loss_sum / float(N_all)
        norms[e] = largest
        if float(steps_done[0] - (e + 1) * batches) != 0.0:
            break
    return (losses, norms, rates, steps_done), (W1, b1, W2, b2, W3, b3)
