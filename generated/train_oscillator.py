"""Training by Adam(lr=0.02, beta1=0.9, beta2=0.999, epsilon=1e-08).

    value = sum((scan(concatenate(1, 0), c, k)[:, 0] - measured)**2)/201

Arguments, of each of which the loop starts from a copy:
    k_start        real number
    c_start        real number
    m_k_start      real number, zeros at first
    m_c_start      real number, zeros at first
    s_k_start      real number, zeros at first
    s_c_start      real number, zeros at first
Arguments that stay as they are:
    measured       array of real numbers, shape (201, 1)
Numbers: lr, the learning rate; all_epochs, how many epochs there are in all, for schedules;
    epochs, batch_size, steps_before, epochs_before: epochs to run, samples in a minibatch,
    steps and epochs that have been done before.
For example, 20 epochs from the start:
    (losses, norms, rates, steps), carried = train(k_start, ..., measured, 0.02, 20.0, 20, 1, 0, 0)
Returns losses, largest gradient norms and learning rates, one an epoch, and an array of one:
    how many steps had a finite loss, after which it stops; then the first arguments as they
    have become.
Target numpy, float64. Kinks: zero.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/train_oscillator.py --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def train(
    k_start,
    c_start,
    m_k_start,
    m_c_start,
    s_k_start,
    s_c_start,
    measured,
    lr,
    all_epochs,
    epochs,
    batch_size,
    steps_before,
    epochs_before,
):
    """The training loop: epochs, minibatches, and in each of these a gradient and an update."""
    k_start = np.asarray(k_start, np.float64)
    c_start = np.asarray(c_start, np.float64)
    m_k_start = np.asarray(m_k_start, np.float64)
    m_c_start = np.asarray(m_c_start, np.float64)
    s_k_start = np.asarray(s_k_start, np.float64)
    s_c_start = np.asarray(s_c_start, np.float64)
    measured = np.asarray(measured, np.float64)
    if np.ndim(measured) != 2:
        raise ValueError("measured must have 2 axes")
    lr = np.asarray(lr, np.float64)
    all_epochs = np.asarray(all_epochs, np.float64)
    epochs = int(epochs)
    batch_size = int(batch_size)
    steps_before = int(steps_before)
    epochs_before = int(epochs_before)
    if measured.shape != (201, 1):
        raise ValueError("measured must have shape (201, 1)")
    losses = np.zeros(epochs, np.float64)
    norms = np.zeros(epochs, np.float64)
    rates = np.zeros(epochs, np.float64)
    steps_done = np.zeros(1, np.int64)
    k = k_start
    c = c_start
    m_k = m_k_start
    m_c = m_c_start
    s_k = s_k_start
    s_c = s_c_start
    batches = 1
    for e in range(epochs):
        loss_sum = 0.0
        largest = 0.0
        for step in range(batches):
            t = np.float64(steps_before + e * batches + step + 1)
            z1 = np.array((1.0, 0.0), dtype=np.float64)
            state_states = np.empty((201, 2), np.float64)
            state_states[0] = z1
            for t_2 in range(200):
                state = state_states[t_2]
                v1 = state[1] * np.exp(c)
                v2 = state[0] * np.exp(k)
                v3 = state[0] + 0.05 * state[1] - 0.0025000000000000005 * v1
                z2 = np.array((v3 - 0.0025000000000000005 * v2, state[1] - 0.05 * v1 - 0.05 * v2), dtype=np.float64)
                state_states[t_2 + 1] = z2
            Z1 = state_states[:, :1] - measured  # scan(concatenate(1, 0), c, k)[:, 0] - measured
            result = np.sum(Z1 * Z1) / 201.0

            # Adjoints, from the result back to the inputs.
            state_states_bar = np.zeros((201, 2), np.float64)
            state_states_bar[:, :1] = 0.009950248756218905 * Z1
            state_bar_states = np.empty((201, 2), np.float64)
            state_bar_states[0] = state_states_bar[200]
            for t_3 in range(200):
                state_bar = state_bar_states[t_3]
                v4 = -0.05 * state_bar[1] + -0.0025000000000000005 * state_bar[0]
                v5 = state_bar[1] + v4 * np.exp(c) + 0.05 * state_bar[0]
                z3 = np.zeros(2, np.float64)
                z3[1:] = v5
                z4 = np.zeros(2, np.float64)
                z4[:1] = state_bar[0] + v4 * np.exp(k)
                z5 = state_states_bar[199 - t_3] + (z3 + z4)
                state_bar_states[t_3 + 1] = z5
            Z2 = -0.05 * state_bar_states[:200][::-1][:, 1:] + -0.0025000000000000005 * state_bar_states[:200][::-1][:, :1]
            c_bar = np.sum(Z2 * state_states[:200][:, 1:]) * np.exp(c)
            k_bar = np.sum(Z2 * state_states[:200][:, :1]) * np.exp(k)
            v6 = k_bar * k_bar
            v7 = c_bar * c_bar
            norm = np.sqrt(v6 + v7)
            v8 = np.sqrt(-np.expm1(-0.0010005003335835344 * t))
            s_k_new = 0.0010000000000000009 * v6 + 0.999 * s_k
            v9 = 1e-08 * v8
            v10 = np.expm1(-0.10536051565782628 * t)
            m_k_new = 0.09999999999999998 * k_bar + 0.9 * m_k
            v11 = lr * v8
            k_new = k + v11 * m_k_new / ((np.sqrt(s_k_new) + v9) * v10)
            s_c_new = 0.0010000000000000009 * v7 + 0.999 * s_c
            m_c_new = 0.09999999999999998 * c_bar + 0.9 * m_c
            c_new = c + v11 * m_c_new / ((np.sqrt(s_c_new) + v9) * v10)
            rate = lr

            # What the step has found, and where it stops.
            loss = result
            loss_sum += loss
            if loss - loss != 0.0:
                break
            largest = np.maximum(largest, norm)
            rates[e] = rate
            steps_done[0] = e * batches + step + 1
            k = k_new
            c = c_new
            m_k = m_k_new
            m_c = m_c_new
            s_k = s_k_new
            s_c = s_c_new
        losses[e] = loss_sum
        norms[e] = largest
        if np.float64(steps_done[0] - (e + 1) * batches) != 0.0:
            break
    return (losses, norms, rates, steps_done), (k, c, m_k, m_c, s_k, s_c)
