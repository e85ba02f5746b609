"""Training by SGD(lr=0.1).

    A1 = tanh(X @ W1 + b1)
    value = sum((A1 @ W2 - Y + b2)**2)/N

Arguments, of each of which the loop starts from a copy:
    W1_start       array of real numbers, shape (2, 3)
    b1_start       array of real numbers, shape (1, 3)
    W2_start       array of real numbers, shape (3, 1)
    b2_start       array of real numbers, shape (1, 1)
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
Target numpy, float64. Kinks: zero.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/train_network.py --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def train(
    W1_start,
    b1_start,
    W2_start,
    b2_start,
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
    b1_start = np.asarray(b1_start, np.float64)
    if np.ndim(b1_start) != 2:
        raise ValueError("b1_start must have 2 axes")
    W2_start = np.asarray(W2_start, np.float64)
    if np.ndim(W2_start) != 2:
        raise ValueError("W2_start must have 2 axes")
    b2_start = np.asarray(b2_start, np.float64)
    if np.ndim(b2_start) != 2:
        raise ValueError("b2_start must have 2 axes")
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
    if W1_start.shape != (2, 3):
        raise ValueError("W1_start must have shape (2, 3)")
    if b1_start.shape != (1, 3):
        raise ValueError("b1_start must have shape (1, 3)")
    if W2_start.shape != (3, 1):
        raise ValueError("W2_start must have shape (3, 1)")
    if b2_start.shape != (1, 1):
        raise ValueError("b2_start must have shape (1, 1)")
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
    b1 = b1_start
    W2 = W2_start
    b2 = b2_start
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
            A1 = np.tanh(v1)
            v2 = A1 @ W2 - Y + b2
            result = np.sum(v2 * v2) / N

            # Adjoints, from the result back to the inputs.
            v2_bar = 2.0 * v2 / N  # adjoint of A1 @ W2 - Y + b2
            v3 = v2_bar.sum(axis=0)
            A1_bar = v2_bar @ W2.T
            W2_bar = A1.T @ v2_bar
            v4 = np.exp(-np.abs(2.0 * v1))
            v5 = v4 + 1.0
            v1_bar = A1_bar * (4.0 * (v4 / (v5 * v5)))  # adjoint of X @ W1 + b1
            v6 = v1_bar.sum(axis=0)
            W1_bar = X.T @ v1_bar
            v7 = np.sum(W1_bar * W1_bar) + np.sum((v6 * v6)[None]) + np.sum(W2_bar * W2_bar)
            norm = np.sqrt(v7 + np.sum((v3 * v3)[:, None]))
            W1_new = W1 - W1_bar * lr
            b1_new = b1 - (v6 * lr)[None]
            W2_new = W2 - W2_bar * lr
            b2_new = b2 - (v3 * lr)[:, None]
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
            b1 = b1_new
            W2 = W2_new
            b2 = b2_new
        losses[e] = loss_sum / np.float64(N_all)
        norms[e] = largest
        if np.float64(steps_done[0] - (e + 1) * batches) != 0.0:
            break
    return (losses, norms, rates, steps_done), (W1, b1, W2, b2)
