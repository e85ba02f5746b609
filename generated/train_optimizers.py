"""Training by Adam(lr=0.03, beta1=0.9, beta2=0.999, epsilon=1e-08).

    value = sum(softplus(tanh(X @ W1 + b1) @ W2 + b2) - (tanh(X @ W1 + b1) @ W2 + b2)*Y)/N

Arguments, of each of which the loop starts from a copy:
    W1_start       array of real numbers, shape (2, 10)
    b1_start       array of real numbers, shape (1, 10)
    W2_start       array of real numbers, shape (10, 1)
    b2_start       array of real numbers, shape (1, 1)
    m_W1_start     array of real numbers, shape (2, 10), zeros at first
    m_b1_start     array of real numbers, shape (1, 10), zeros at first
    m_W2_start     array of real numbers, shape (10, 1), zeros at first
    m_b2_start     array of real numbers, shape (1, 1), zeros at first
    s_W1_start     array of real numbers, shape (2, 10), zeros at first
    s_b1_start     array of real numbers, shape (1, 10), zeros at first
    s_W2_start     array of real numbers, shape (10, 1), zeros at first
    s_b2_start     array of real numbers, shape (1, 1), zeros at first
Arguments that stay as they are:
    X_all          array of real numbers, shape (N, 2)
    Y_all          array of real numbers, shape (N, 1)
    order          array of integers, shape (epochs, samples): the order of each epoch
Numbers: lr, the learning rate; all_epochs, how many epochs there are in all, for schedules;
    epochs, batch_size, steps_before, epochs_before: epochs to run, samples in a minibatch,
    steps and epochs that have been done before.
For example, 20 epochs from the start, 32 samples a step:
    order = np.array([np.random.permutation(len(X_all)) for _ in range(20)])
    (losses, norms, rates, steps), carried = train(W1_start, ..., order, 0.03, 20.0, 20, 32, 0, 0)
Returns losses, largest gradient norms and learning rates, one an epoch, and an array of one:
    how many steps had a finite loss, after which it stops; then the first arguments as they
    have become.
Target numpy, float64. Kinks: zero.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/train_optimizers.py --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def train(
    W1_start,
    b1_start,
    W2_start,
    b2_start,
    m_W1_start,
    m_b1_start,
    m_W2_start,
    m_b2_start,
    s_W1_start,
    s_b1_start,
    s_W2_start,
    s_b2_start,
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
    m_W1_start = np.asarray(m_W1_start, np.float64)
    if np.ndim(m_W1_start) != 2:
        raise ValueError("m_W1_start must have 2 axes")
    m_b1_start = np.asarray(m_b1_start, np.float64)
    if np.ndim(m_b1_start) != 2:
        raise ValueError("m_b1_start must have 2 axes")
    m_W2_start = np.asarray(m_W2_start, np.float64)
    if np.ndim(m_W2_start) != 2:
        raise ValueError("m_W2_start must have 2 axes")
    m_b2_start = np.asarray(m_b2_start, np.float64)
    if np.ndim(m_b2_start) != 2:
        raise ValueError("m_b2_start must have 2 axes")
    s_W1_start = np.asarray(s_W1_start, np.float64)
    if np.ndim(s_W1_start) != 2:
        raise ValueError("s_W1_start must have 2 axes")
    s_b1_start = np.asarray(s_b1_start, np.float64)
    if np.ndim(s_b1_start) != 2:
        raise ValueError("s_b1_start must have 2 axes")
    s_W2_start = np.asarray(s_W2_start, np.float64)
    if np.ndim(s_W2_start) != 2:
        raise ValueError("s_W2_start must have 2 axes")
    s_b2_start = np.asarray(s_b2_start, np.float64)
    if np.ndim(s_b2_start) != 2:
        raise ValueError("s_b2_start must have 2 axes")
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
    if W1_start.shape != (2, 10):
        raise ValueError("W1_start must have shape (2, 10)")
    if b1_start.shape != (1, 10):
        raise ValueError("b1_start must have shape (1, 10)")
    if W2_start.shape != (10, 1):
        raise ValueError("W2_start must have shape (10, 1)")
    if b2_start.shape != (1, 1):
        raise ValueError("b2_start must have shape (1, 1)")
    if m_W1_start.shape != (2, 10):
        raise ValueError("m_W1_start must have shape (2, 10)")
    if m_b1_start.shape != (1, 10):
        raise ValueError("m_b1_start must have shape (1, 10)")
    if m_W2_start.shape != (10, 1):
        raise ValueError("m_W2_start must have shape (10, 1)")
    if m_b2_start.shape != (1, 1):
        raise ValueError("m_b2_start must have shape (1, 1)")
    if s_W1_start.shape != (2, 10):
        raise ValueError("s_W1_start must have shape (2, 10)")
    if s_b1_start.shape != (1, 10):
        raise ValueError("s_b1_start must have shape (1, 10)")
    if s_W2_start.shape != (10, 1):
        raise ValueError("s_W2_start must have shape (10, 1)")
    if s_b2_start.shape != (1, 1):
        raise ValueError("s_b2_start must have shape (1, 1)")
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
    m_W1 = m_W1_start
    m_b1 = m_b1_start
    m_W2 = m_W2_start
    m_b2 = m_b2_start
    s_W1 = s_W1_start
    s_b1 = s_b1_start
    s_W2 = s_W2_start
    s_b2 = s_b2_start
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
            t = np.float64(steps_before + e * batches + step + 1)
            Z1 = X @ W1 + b1
            A1 = np.tanh(Z1)  # tanh(X @ W1 + b1)
            Z2 = A1 @ W2 + b2  # tanh(X @ W1 + b1) @ W2 + b2
            A2 = np.exp(-np.abs(Z2))
            Z3 = np.maximum(Z2, 0.0) + np.log1p(A2) - Z2 * Y
            result = np.sum(Z3) / N

            # Adjoints, from the result back to the inputs.
            A3 = np.where(Z2 < 0.0, A2, 1.0) / (A2 + 1.0) / N
            Z2_bar = A3 - Y / N  # adjoint of tanh(X @ W1 + b1) @ W2 + b2
            z1 = Z2_bar.sum(axis=0)
            W2_bar = A1.T @ Z2_bar
            A4 = np.exp(-np.abs(2.0 * Z1))
            Z4 = A4 + 1.0
            Z1_bar = Z2_bar @ W2.T * (4.0 * (A4 / (Z4 * Z4)))  # adjoint of X @ W1 + b1
            z2 = Z1_bar.sum(axis=0)
            W1_bar = X.T @ Z1_bar
            A5 = W1_bar * W1_bar
            a1 = z2 * z2
            A6 = W2_bar * W2_bar
            a2 = z1 * z1
            v1 = np.sum(A5) + np.sum(a1[None]) + np.sum(A6) + np.sum(a2[:, None])
            norm = np.sqrt(v1)
            v2 = np.sqrt(-np.expm1(-0.0010005003335835344 * t))
            s_W1_new = 0.0010000000000000009 * A5 + 0.999 * s_W1
            v3 = 1e-08 * v2
            v4 = np.expm1(-0.10536051565782628 * t)
            m_W1_new = 0.09999999999999998 * W1_bar + 0.9 * m_W1
            v5 = lr * v2
            W1_new = W1 + v5 * m_W1_new / ((np.sqrt(s_W1_new) + v3) * v4)
            s_b1_new = (0.0010000000000000009 * a1)[None] + 0.999 * s_b1
            m_b1_new = (0.09999999999999998 * z2)[None] + 0.9 * m_b1
            b1_new = b1 + v5 * m_b1_new / ((np.sqrt(s_b1_new) + v3) * v4)
            s_W2_new = 0.0010000000000000009 * A6 + 0.999 * s_W2
            m_W2_new = 0.09999999999999998 * W2_bar + 0.9 * m_W2
            W2_new = W2 + v5 * m_W2_new / ((np.sqrt(s_W2_new) + v3) * v4)
            s_b2_new = (0.0010000000000000009 * a2)[:, None] + 0.999 * s_b2
            m_b2_new = (0.09999999999999998 * z1)[:, None] + 0.9 * m_b2
            b2_new = b2 + v5 * m_b2_new / ((np.sqrt(s_b2_new) + v3) * v4)
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
            m_W1 = m_W1_new
            m_b1 = m_b1_new
            m_W2 = m_W2_new
            m_b2 = m_b2_new
            s_W1 = s_W1_new
            s_b1 = s_b1_new
            s_W2 = s_W2_new
            s_b2 = s_b2_new
        losses[e] = loss_sum / np.float64(N_all)
        norms[e] = largest
        if np.float64(steps_done[0] - (e + 1) * batches) != 0.0:
            break
    return (
        losses,
        norms,
        rates,
        steps_done,
    ), (W1, b1, W2, b2, m_W1, m_b1, m_W2, m_b2, s_W1, s_b1, s_W2, s_b2)
