"""Training by SGD(lr=0.02).

    A1 = Max(X @ W1 + b1, 0)
    A2 = Max(A1 @ W2 + b2, 0)
    A3 = Max(A2 @ W3 + b3, 0)
    A4 = Max(A3 @ W4 + b4, 0)
    A5 = Max(A4 @ W5 + b5, 0)
    A6 = Max(A5 @ W6 + b6, 0)
    A7 = Max(A6 @ W7 + b7, 0)
    A8 = Max(A7 @ W8 + b8, 0)
    value = sum((A8 @ V - Y + c)**2)/N

Arguments, of each of which the loop starts from a copy:
    W1_start       array of real numbers, shape (20, 20)
    W2_start       array of real numbers, shape (20, 20)
    W3_start       array of real numbers, shape (20, 20)
    W4_start       array of real numbers, shape (20, 20)
    W5_start       array of real numbers, shape (20, 20)
    W6_start       array of real numbers, shape (20, 20)
    W7_start       array of real numbers, shape (20, 20)
    W8_start       array of real numbers, shape (20, 20)
    V_start        array of real numbers, shape (20, 1)
    b1_start       array of real numbers, shape (1, 20)
    b2_start       array of real numbers, shape (1, 20)
    b3_start       array of real numbers, shape (1, 20)
    b4_start       array of real numbers, shape (1, 20)
    b5_start       array of real numbers, shape (1, 20)
    b6_start       array of real numbers, shape (1, 20)
    b7_start       array of real numbers, shape (1, 20)
    b8_start       array of real numbers, shape (1, 20)
    c_start        array of real numbers, shape (1, 1)
Arguments that stay as they are:
    X_all          array of real numbers, shape (N, 20)
    Y_all          array of real numbers, shape (N, 1)
    order          array of integers, shape (epochs, samples): the order of each epoch
Numbers: lr, the learning rate; all_epochs, how many epochs there are in all, for schedules;
    epochs, batch_size, steps_before, epochs_before: epochs to run, samples in a minibatch,
    steps and epochs that have been done before.
For example, 20 epochs from the start, 32 samples a step:
    order = np.array([np.random.permutation(len(X_all)) for _ in range(20)])
    (losses, norms, rates, steps), carried = train(W1_start, ..., order, 0.02, 20.0, 20, 32, 0, 0)
Returns losses, largest gradient norms and learning rates, one an epoch, and an array of one:
    how many steps had a finite loss, after which it stops; then the first arguments as they
    have become.
Target numpy, float64. Kinks: zero.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/train_initialisation.py --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def train(
    W1_start,
    W2_start,
    W3_start,
    W4_start,
    W5_start,
    W6_start,
    W7_start,
    W8_start,
    V_start,
    b1_start,
    b2_start,
    b3_start,
    b4_start,
    b5_start,
    b6_start,
    b7_start,
    b8_start,
    c_start,
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
    W4_start = np.asarray(W4_start, np.float64)
    if np.ndim(W4_start) != 2:
        raise ValueError("W4_start must have 2 axes")
    W5_start = np.asarray(W5_start, np.float64)
    if np.ndim(W5_start) != 2:
        raise ValueError("W5_start must have 2 axes")
    W6_start = np.asarray(W6_start, np.float64)
    if np.ndim(W6_start) != 2:
        raise ValueError("W6_start must have 2 axes")
    W7_start = np.asarray(W7_start, np.float64)
    if np.ndim(W7_start) != 2:
        raise ValueError("W7_start must have 2 axes")
    W8_start = np.asarray(W8_start, np.float64)
    if np.ndim(W8_start) != 2:
        raise ValueError("W8_start must have 2 axes")
    V_start = np.asarray(V_start, np.float64)
    if np.ndim(V_start) != 2:
        raise ValueError("V_start must have 2 axes")
    b1_start = np.asarray(b1_start, np.float64)
    if np.ndim(b1_start) != 2:
        raise ValueError("b1_start must have 2 axes")
    b2_start = np.asarray(b2_start, np.float64)
    if np.ndim(b2_start) != 2:
        raise ValueError("b2_start must have 2 axes")
    b3_start = np.asarray(b3_start, np.float64)
    if np.ndim(b3_start) != 2:
        raise ValueError("b3_start must have 2 axes")
    b4_start = np.asarray(b4_start, np.float64)
    if np.ndim(b4_start) != 2:
        raise ValueError("b4_start must have 2 axes")
    b5_start = np.asarray(b5_start, np.float64)
    if np.ndim(b5_start) != 2:
        raise ValueError("b5_start must have 2 axes")
    b6_start = np.asarray(b6_start, np.float64)
    if np.ndim(b6_start) != 2:
        raise ValueError("b6_start must have 2 axes")
    b7_start = np.asarray(b7_start, np.float64)
    if np.ndim(b7_start) != 2:
        raise ValueError("b7_start must have 2 axes")
    b8_start = np.asarray(b8_start, np.float64)
    if np.ndim(b8_start) != 2:
        raise ValueError("b8_start must have 2 axes")
    c_start = np.asarray(c_start, np.float64)
    if np.ndim(c_start) != 2:
        raise ValueError("c_start must have 2 axes")
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
    if W1_start.shape != (20, 20):
        raise ValueError("W1_start must have shape (20, 20)")
    if W2_start.shape != (20, 20):
        raise ValueError("W2_start must have shape (20, 20)")
    if W3_start.shape != (20, 20):
        raise ValueError("W3_start must have shape (20, 20)")
    if W4_start.shape != (20, 20):
        raise ValueError("W4_start must have shape (20, 20)")
    if W5_start.shape != (20, 20):
        raise ValueError("W5_start must have shape (20, 20)")
    if W6_start.shape != (20, 20):
        raise ValueError("W6_start must have shape (20, 20)")
    if W7_start.shape != (20, 20):
        raise ValueError("W7_start must have shape (20, 20)")
    if W8_start.shape != (20, 20):
        raise ValueError("W8_start must have shape (20, 20)")
    if V_start.shape != (20, 1):
        raise ValueError("V_start must have shape (20, 1)")
    if b1_start.shape != (1, 20):
        raise ValueError("b1_start must have shape (1, 20)")
    if b2_start.shape != (1, 20):
        raise ValueError("b2_start must have shape (1, 20)")
    if b3_start.shape != (1, 20):
        raise ValueError("b3_start must have shape (1, 20)")
    if b4_start.shape != (1, 20):
        raise ValueError("b4_start must have shape (1, 20)")
    if b5_start.shape != (1, 20):
        raise ValueError("b5_start must have shape (1, 20)")
    if b6_start.shape != (1, 20):
        raise ValueError("b6_start must have shape (1, 20)")
    if b7_start.shape != (1, 20):
        raise ValueError("b7_start must have shape (1, 20)")
    if b8_start.shape != (1, 20):
        raise ValueError("b8_start must have shape (1, 20)")
    if c_start.shape != (1, 1):
        raise ValueError("c_start must have shape (1, 1)")
    if X_all.shape != (N_all, 20):
        raise ValueError("X_all must have shape (N_all, 20)")
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
    W4 = W4_start
    W5 = W5_start
    W6 = W6_start
    W7 = W7_start
    W8 = W8_start
    V = V_start
    b1 = b1_start
    b2 = b2_start
    b3 = b3_start
    b4 = b4_start
    b5 = b5_start
    b6 = b6_start
    b7 = b7_start
    b8 = b8_start
    c = c_start
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
            v1 = X @ W1 + b1
            A1 = np.maximum(v1, 0.0)
            v2 = A1 @ W2 + b2
            A2 = np.maximum(v2, 0.0)
            v3 = A2 @ W3 + b3
            A3 = np.maximum(v3, 0.0)
            v4 = A3 @ W4 + b4
            A4 = np.maximum(v4, 0.0)
            v5 = A4 @ W5 + b5
            A5 = np.maximum(v5, 0.0)
            v6 = A5 @ W6 + b6
            A6 = np.maximum(v6, 0.0)
            v7 = A6 @ W7 + b7
            A7 = np.maximum(v7, 0.0)
            v8 = A7 @ W8 + b8
            A8 = np.maximum(v8, 0.0)
            v9 = A8 @ V - Y + c
            result = np.sum(v9 * v9) / N

            # Adjoints, from the result back to the inputs.
            v9_bar = 2.0 * v9 / N
            v10 = v9_bar.sum(axis=0)
            A8_bar = v9_bar @ V.T
            V_bar = A8.T @ v9_bar
            v8_bar = np.where(v8 > 0.0, A8_bar, 0.0)
            v11 = v8_bar.sum(axis=0)
            A7_bar = v8_bar @ W8.T
            W8_bar = A7.T @ v8_bar
            v7_bar = np.where(v7 > 0.0, A7_bar, 0.0)
            v12 = v7_bar.sum(axis=0)
            A6_bar = v7_bar @ W7.T
            W7_bar = A6.T @ v7_bar
            v6_bar = np.where(v6 > 0.0, A6_bar, 0.0)
            v13 = v6_bar.sum(axis=0)
            A5_bar = v6_bar @ W6.T
            W6_bar = A5.T @ v6_bar
            v5_bar = np.where(v5 > 0.0, A5_bar, 0.0)
            v14 = v5_bar.sum(axis=0)
            A4_bar = v5_bar @ W5.T
            W5_bar = A4.T @ v5_bar
            v4_bar = np.where(v4 > 0.0, A4_bar, 0.0)
            v15 = v4_bar.sum(axis=0)
            A3_bar = v4_bar @ W4.T
            W4_bar = A3.T @ v4_bar
            v3_bar = np.where(v3 > 0.0, A3_bar, 0.0)
            v16 = v3_bar.sum(axis=0)
            A2_bar = v3_bar @ W3.T
            W3_bar = A2.T @ v3_bar
            v2_bar = np.where(v2 > 0.0, A2_bar, 0.0)  # adjoint of A1 @ W2 + b2
            v17 = v2_bar.sum(axis=0)
            A1_bar = v2_bar @ W2.T
            W2_bar = A1.T @ v2_bar
            v1_bar = np.where(v1 > 0.0, A1_bar, 0.0)  # adjoint of X @ W1 + b1
            v18 = v1_bar.sum(axis=0)
            W1_bar = X.T @ v1_bar
            v19 = np.sum(W1_bar * W1_bar) + np.sum(W2_bar * W2_bar) + np.sum(W3_bar * W3_bar)
            v20 = v19 + np.sum(W4_bar * W4_bar) + np.sum(W5_bar * W5_bar) + np.sum(W6_bar * W6_bar)
            v21 = v20 + np.sum(W7_bar * W7_bar) + np.sum(W8_bar * W8_bar) + np.sum(V_bar * V_bar)
            v22 = v21 + np.sum((v18 * v18)[None]) + np.sum((v17 * v17)[None])
            v23 = v22 + np.sum((v16 * v16)[None]) + np.sum((v15 * v15)[None])
            v24 = v23 + np.sum((v14 * v14)[None]) + np.sum((v13 * v13)[None])
            v25 = v24 + np.sum((v12 * v12)[None]) + np.sum((v11 * v11)[None])
            norm = np.sqrt(v25 + np.sum((v10 * v10)[:, None]))
            W1_new = W1 - W1_bar * lr
            W2_new = W2 - W2_bar * lr
            W3_new = W3 - W3_bar * lr
            W4_new = W4 - W4_bar * lr
            W5_new = W5 - W5_bar * lr
            W6_new = W6 - W6_bar * lr
            W7_new = W7 - W7_bar * lr
            W8_new = W8 - W8_bar * lr
            V_new = V - V_bar * lr
            b1_new = b1 - (v18 * lr)[None]
            b2_new = b2 - (v17 * lr)[None]
            b3_new = b3 - (v16 * lr)[None]
            b4_new = b4 - (v15 * lr)[None]
            b5_new = b5 - (v14 * lr)[None]
            b6_new = b6 - (v13 * lr)[None]
            b7_new = b7 - (v12 * lr)[None]
            b8_new = b8 - (v11 * lr)[None]
            c_new = c - (v10 * lr)[:, None]
            rate = lr

            # What the step has found, and where it stops.
            loss = result
            loss_sum += loss * np.float64(N)
            if loss - loss != 0.0:
                break
            largest = np.maximum(largest, norm)
            rates[e] = rate
            steps_done[0] = e * batches + step + 1
            W1 = W1_new
            W2 = W2_new
            W3 = W3_new
            W4 = W4_new
            W5 = W5_new
            W6 = W6_new
            W7 = W7_new
            W8 = W8_new
            V = V_new
            b1 = b1_new
            b2 = b2_new
            b3 = b3_new
            b4 = b4_new
            b5 = b5_new
            b6 = b6_new
            b7 = b7_new
            b8 = b8_new
            c = c_new
        losses[e] = loss_sum / np.float64(N_all)
        norms[e] = largest
        if np.float64(steps_done[0] - (e + 1) * batches) != 0.0:
            break
    return (
        losses,
        norms,
        rates,
        steps_done,
    ), (W1, W2, W3, W4, W5, W6, W7, W8, V, b1, b2, b3, b4, b5, b6, b7, b8, c)
