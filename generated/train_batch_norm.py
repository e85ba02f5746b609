"""Training by SGD(lr=0.2).

    mean0 = sum(X, axis=0)/N
    variance0 = sum((X - sum(X, axis=0)/N)**2, axis=0)/N
    mean1 = sum(1/sqrt(sum((X - sum(X, axis=0)/N)**2, axis=0)/N + (1e-05))*(X - sum(X, axis=0)/N),
        axis=0) @ W1/N
    variance1 = sum((1/sqrt(sum((X - sum(X, axis=0)/N)**2, axis=0)/N + (1e-05))*(X - sum(X,
        axis=0)/N) @ W1 - sum(1/sqrt(sum((X - sum(X, axis=0)/N)**2, axis=0)/N + (1e-05))*(X - sum(X,
        axis=0)/N), axis=0) @ W1/N)**2, axis=0)/N
    mean2 = an expression of 96 operations in all
    variance2 = an expression of 96 operations in all
    variance0, averaged = N/(N - 1)*(sum((X - sum(X, axis=0)/N)**2, axis=0)/N)
    variance1, averaged = N/(N - 1)*(sum((1/sqrt(sum((X - sum(X, axis=0)/N)**2, axis=0)/N +
        (1e-05))*(X - sum(X, axis=0)/N) @ W1 - sum(1/sqrt(sum((X - sum(X, axis=0)/N)**2, axis=0)/N +
        (1e-05))*(X - sum(X, axis=0)/N), axis=0) @ W1/N)**2, axis=0)/N)
    variance2, averaged = an expression of 96 operations in all
    value = an expression of 96 operations in all

Arguments, of each of which the loop starts from a copy:
    W1_start         array of real numbers, shape (2, 12)
    W2_start         array of real numbers, shape (12, 8)
    W3_start         array of real numbers, shape (8, 1)
    beta1_start      array of real numbers, shape (1, 12)
    beta2_start      array of real numbers, shape (1, 8)
    b3_start         array of real numbers, shape (1, 1)
    gamma1_start     array of real numbers, shape (1, 12)
    gamma2_start     array of real numbers, shape (1, 8)
    mean0_start      array of real numbers, shape (1, 2)
    variance0_start  array of real numbers, shape (1, 2)
    mean1_start      array of real numbers, shape (1, 12)
    variance1_start  array of real numbers, shape (1, 12)
    mean2_start      array of real numbers, shape (1, 8)
    variance2_start  array of real numbers, shape (1, 8)
Arguments that stay as they are:
    X_all            array of real numbers, shape (N, 2)
    Y_all            array of real numbers, shape (N, 1)
    order            array of integers, shape (epochs, samples): the order of each epoch
Numbers: lr, the learning rate; all_epochs, how many epochs there are in all, for schedules;
    epochs, batch_size, steps_before, epochs_before: epochs to run, samples in a minibatch,
    steps and epochs that have been done before.
For example, 20 epochs from the start, 32 samples a step:
    order = np.array([np.random.permutation(len(X_all)) for _ in range(20)])
    (losses, norms, rates, steps), carried = train(W1_start, ..., order, 0.2, 20.0, 20, 32, 0, 0)
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
    mean0_start,
    variance0_start,
    mean1_start,
    variance1_start,
    mean2_start,
    variance2_start,
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
    mean0_start = np.asarray(mean0_start, np.float64)
    if np.ndim(mean0_start) != 2:
        raise ValueError("mean0_start must have 2 axes")
    variance0_start = np.asarray(variance0_start, np.float64)
    if np.ndim(variance0_start) != 2:
        raise ValueError("variance0_start must have 2 axes")
    mean1_start = np.asarray(mean1_start, np.float64)
    if np.ndim(mean1_start) != 2:
        raise ValueError("mean1_start must have 2 axes")
    variance1_start = np.asarray(variance1_start, np.float64)
    if np.ndim(variance1_start) != 2:
        raise ValueError("variance1_start must have 2 axes")
    mean2_start = np.asarray(mean2_start, np.float64)
    if np.ndim(mean2_start) != 2:
        raise ValueError("mean2_start must have 2 axes")
    variance2_start = np.asarray(variance2_start, np.float64)
    if np.ndim(variance2_start) != 2:
        raise ValueError("variance2_start must have 2 axes")
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
    if mean0_start.shape != (1, 2):
        raise ValueError("mean0_start must have shape (1, 2)")
    if variance0_start.shape != (1, 2):
        raise ValueError("variance0_start must have shape (1, 2)")
    if mean1_start.shape != (1, 12):
        raise ValueError("mean1_start must have shape (1, 12)")
    if variance1_start.shape != (1, 12):
        raise ValueError("variance1_start must have shape (1, 12)")
    if mean2_start.shape != (1, 8):
        raise ValueError("mean2_start must have shape (1, 8)")
    if variance2_start.shape != (1, 8):
        raise ValueError("variance2_start must have shape (1, 8)")
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
    mean0 = mean0_start
    variance0 = variance0_start
    mean1 = mean1_start
    variance1 = variance1_start
    mean2 = mean2_start
    variance2 = variance2_start
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
            a1 = X.sum(axis=0) / N  # sum(X, axis=0)/N
            Z1 = X - a1  # X - sum(X, axis=0)/N
            a2 = (Z1 * Z1).sum(axis=0) / N
            A1 = 1.0 / np.sqrt(a2 + 1e-05) * Z1
            z1 = A1.sum(axis=0)
            a3 = z1 @ W1 / N
            Z2 = A1 @ W1 - a3
            a4 = (Z2 * Z2).sum(axis=0) / N
            a5 = np.sqrt(a4 + 1e-05)
            a6 = 1.0 / a5
            A2 = np.broadcast_to(a6, (N, 12)) * gamma1
            Z3 = beta1 + A2 * Z2
            A3 = np.maximum(Z3, 0.0)
            z2 = A3.sum(axis=0)
            a7 = z2 @ W2 / N
            Z4 = A3 @ W2 - a7
            a8 = (Z4 * Z4).sum(axis=0) / N

            # Adjoints, from the result back to the inputs.
            v1 = np.divide(N, N - 1.0)
            a9 = np.sqrt(a8 + 1e-05)
            a10 = 1.0 / a9
            A4 = np.broadcast_to(a10, (N, 8)) * gamma2
            Z5 = beta2 + A4 * Z4
            A5 = np.maximum(Z5, 0.0)
            Z6 = A5 @ W3 + b3
            A6 = np.exp(-np.abs(Z6))
            Z7 = np.maximum(Z6, 0.0) + np.log1p(A6) - Z6 * Y
            result = np.sum(Z7) / N
            A7 = np.where(Z6 < 0.0, A6, 1.0) / (A6 + 1.0) / N
            Z6_bar = A7 - Y / N
            z3 = Z6_bar.sum(axis=0)
            A5_bar = Z6_bar @ W3.T
            W3_bar = A5.T @ Z6_bar
            A8 = Z5 > 0.0
            A9 = A5_bar * Z4
            z4 = np.where(A8, A9 * a10, 0.0).sum(axis=0)
            a11 = np.where(A8, A9 * gamma2, 0.0).sum(axis=0) * (a10 / a9)
            z5 = np.where(A8, A5_bar, 0.0).sum(axis=0)
            A10 = a11 * (0.5 / np.abs(a9)) / N * (2.0 * Z4)
            Z4_bar = np.where(A8, A5_bar * A4, 0.0) - A10
            a12 = Z4_bar.sum(axis=0) / N
            Z8 = Z4_bar.T @ A3 - np.outer(a12, z2)
            A3_bar = Z4_bar @ W2.T - W2 @ a12
            A11 = Z3 > 0.0
            A12 = A3_bar * Z2
            z6 = np.where(A11, A12 * a6, 0.0).sum(axis=0)
            a13 = np.where(A11, A12 * gamma1, 0.0).sum(axis=0) * (a6 / a5)
            z7 = np.where(A11, A3_bar, 0.0).sum(axis=0)
            A13 = a13 * (0.5 / np.abs(a5)) / N * (2.0 * Z2)
            Z2_bar = np.where(A11, A3_bar * A2, 0.0) - A13
            Z9 = Z2_bar.T @ A1 - np.outer(Z2_bar.sum(axis=0) / N, z1)
            v2 = np.sum((Z9 * Z9).T) + np.sum((Z8 * Z8).T) + np.sum(W3_bar * W3_bar)
            v3 = v2 + np.sum((z7 * z7)[None]) + np.sum((z5 * z5)[None])
            v4 = v3 + np.sum((z3 * z3)[:, None]) + np.sum((z6 * z6)[None])
            norm = np.sqrt(v4 + np.sum((z4 * z4)[None]))
            W1_new = W1 - (Z9 * lr).T
            W2_new = W2 - (Z8 * lr).T
            W3_new = W3 - W3_bar * lr
            beta1_new = beta1 - (z7 * lr)[None]
            beta2_new = beta2 - (z5 * lr)[None]
            b3_new = b3 - (z3 * lr)[:, None]
            gamma1_new = gamma1 - (z6 * lr)[None]
            gamma2_new = gamma2 - (z4 * lr)[None]
            mean0_new = mean0 * 0.9 + a1 * 0.1
            variance0_new = variance0 * 0.9 + v1 * a2 * 0.1
            mean1_new = mean1 * 0.9 + a3 * 0.1
            variance1_new = variance1 * 0.9 + v1 * a4 * 0.1
            mean2_new = mean2 * 0.9 + a7 * 0.1
            variance2_new = variance2 * 0.9 + v1 * a8 * 0.1
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
            beta1 = beta1_new
            beta2 = beta2_new
            b3 = b3_new
            gamma1 = gamma1_new
            gamma2 = gamma2_new
            mean0 = mean0_new
            variance0 = variance0_new
            mean1 = mean1_new
            variance1 = variance1_new
            mean2 = mean2_new
            variance2 = variance2_new
        losses[e] = loss_sum / np.float64(N_all)
        norms[e] = largest
        if np.float64(steps_done[0] - (e + 1) * batches) != 0.0:
            break
    return (
        losses,
        norms,
        rates,
        steps_done,
    ), (W1, W2, W3, beta1, beta2, b3, gamma1, gamma2, mean0, variance0, mean1, variance1, mean2, variance2)
