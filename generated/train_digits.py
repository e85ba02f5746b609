"""Training by Adam(lr=0.003, beta1=0.9, beta2=0.999, epsilon=1e-08).

    A1 = Max(X @ W1 + b1, 0)
    Z2 = A1 @ W2 + b2
    value = -sum(T*(Z2 - logsumexp(Z2)[:, None]))/N

Arguments, of each of which the loop starts from a copy:
    W1_start       array of real numbers, shape (64, 32)
    b1_start       array of real numbers, shape (1, 32)
    W2_start       array of real numbers, shape (32, 10)
    b2_start       array of real numbers, shape (1, 10)
    m_W1_start     array of real numbers, shape (64, 32), zeros at first
    m_b1_start     array of real numbers, shape (1, 32), zeros at first
    m_W2_start     array of real numbers, shape (32, 10), zeros at first
    m_b2_start     array of real numbers, shape (1, 10), zeros at first
    s_W1_start     array of real numbers, shape (64, 32), zeros at first
    s_b1_start     array of real numbers, shape (1, 32), zeros at first
    s_W2_start     array of real numbers, shape (32, 10), zeros at first
    s_b2_start     array of real numbers, shape (1, 10), zeros at first
Arguments that stay as they are:
    X_all          array of real numbers, shape (N, 64)
    T_all          array of real numbers, shape (N, 10)
    order          array of integers, shape (epochs, samples): the order of each epoch
Numbers: lr, the learning rate; all_epochs, how many epochs there are in all, for schedules;
    epochs, batch_size, steps_before, epochs_before: epochs to run, samples in a minibatch,
    steps and epochs that have been done before.
For example, 20 epochs from the start, 32 samples a step:
    order = np.array([np.random.permutation(len(X_all)) for _ in range(20)])
    (losses, norms, rates, steps), carried = train(W1_start, ..., order, 0.003, 20.0, 20, 32, 0, 0)
Returns losses, largest gradient norms and learning rates, one an epoch, and an array of one:
    how many steps had a finite loss, after which it stops; then the first arguments as they
    have become.
Target numpy, float64. Kinks: zero.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/train_digits.py --target numpy
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
    T_all,
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
    T_all = np.asarray(T_all, np.float64)
    if np.ndim(T_all) != 2:
        raise ValueError("T_all must have 2 axes")
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
    if W1_start.shape != (64, 32):
        raise ValueError("W1_start must have shape (64, 32)")
    if b1_start.shape != (1, 32):
        raise ValueError("b1_start must have shape (1, 32)")
    if W2_start.shape != (32, 10):
        raise ValueError("W2_start must have shape (32, 10)")
    if b2_start.shape != (1, 10):
        raise ValueError("b2_start must have shape (1, 10)")
    if m_W1_start.shape != (64, 32):
        raise ValueError("m_W1_start must have shape (64, 32)")
    if m_b1_start.shape != (1, 32):
        raise ValueError("m_b1_start must have shape (1, 32)")
    if m_W2_start.shape != (32, 10):
        raise ValueError("m_W2_start must have shape (32, 10)")
    if m_b2_start.shape != (1, 10):
        raise ValueError("m_b2_start must have shape (1, 10)")
    if s_W1_start.shape != (64, 32):
        raise ValueError("s_W1_start must have shape (64, 32)")
    if s_b1_start.shape != (1, 32):
        raise ValueError("s_b1_start must have shape (1, 32)")
    if s_W2_start.shape != (32, 10):
        raise ValueError("s_W2_start must have shape (32, 10)")
    if s_b2_start.shape != (1, 10):
        raise ValueError("s_b2_start must have shape (1, 10)")
    if X_all.shape != (N_all, 64):
        raise ValueError("X_all must have shape (N_all, 64)")
    if T_all.shape != (N_all, 10):
        raise ValueError("T_all must have shape (N_all, 10)")
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
        T_epoch = T_all[order[e]]
        loss_sum = 0.0
        largest = 0.0
        for step in range(batches):
            start = step * batch_size
            N = min(batch_size, N_all - start)
            X = X_epoch[start : start + N]
            T = T_epoch[start : start + N]
            t = np.float64(steps_before + e * batches + step + 1)
            v1 = X @ W1 + b1
            A1 = np.maximum(v1, 0.0)
            Z2 = A1 @ W2 + b2
            v2 = Z2.max(axis=1, initial=-np.inf)
            v3 = np.where(np.abs(v2) < np.inf, v2, 0.0)
            v4 = np.exp(Z2 - v3[:, None])
            v5 = v4.sum(axis=1)
            result = -(np.sum(T * (Z2 - (v3 + np.log(v5))[:, None])) / N)

            # Adjoints, from the result back to the inputs.
            v6 = T / N
            Z2_bar = v6.sum(axis=1)[:, None] * (v4 / v5[:, None]) - v6
            v7 = Z2_bar.sum(axis=0)
            A1_bar = Z2_bar @ W2.T
            W2_bar = A1.T @ Z2_bar
            v1_bar = np.where(v1 > 0.0, A1_bar, 0.0)  # adjoint of X @ W1 + b1
            v8 = v1_bar.sum(axis=0)
            W1_bar = X.T @ v1_bar
            v9 = W1_bar * W1_bar
            v10 = v8 * v8
            v11 = W2_bar * W2_bar
            v12 = v7 * v7
            v13 = np.sum(v9) + np.sum(v10[None]) + np.sum(v11) + np.sum(v12[None])
            norm = np.sqrt(v13)
            v14 = np.sqrt(-np.expm1(-0.0010005003335835344 * t))
            s_W1_new = 0.0010000000000000009 * v9 + 0.999 * s_W1
            v15 = 1e-08 * v14
            v16 = np.expm1(-0.10536051565782628 * t)
            m_W1_new = 0.09999999999999998 * W1_bar + 0.9 * m_W1
            v17 = lr * v14
            W1_new = W1 + v17 * m_W1_new / ((np.sqrt(s_W1_new) + v15) * v16)
            s_b1_new = (0.0010000000000000009 * v10)[None] + 0.999 * s_b1
            m_b1_new = (0.09999999999999998 * v8)[None] + 0.9 * m_b1
            b1_new = b1 + v17 * m_b1_new / ((np.sqrt(s_b1_new) + v15) * v16)
            s_W2_new = 0.0010000000000000009 * v11 + 0.999 * s_W2
            m_W2_new = 0.09999999999999998 * W2_bar + 0.9 * m_W2
            W2_new = W2 + v17 * m_W2_new / ((np.sqrt(s_W2_new) + v15) * v16)
            s_b2_new = (0.0010000000000000009 * v12)[None] + 0.999 * s_b2
            m_b2_new = (0.09999999999999998 * v7)[None] + 0.9 * m_b2
            b2_new = b2 + v17 * m_b2_new / ((np.sqrt(s_b2_new) + v15) * v16)
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
