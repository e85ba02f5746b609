"""Training by SGD(lr=0.05).

    value = (scan(1/2, b, w)[50] - 0.7)**2

Arguments, of each of which the loop starts from a copy:
    w_start        real number
    b_start        real number
Numbers: lr, the learning rate; all_epochs, how many epochs there are in all, for schedules;
    epochs, batch_size, steps_before, epochs_before: epochs to run, samples in a minibatch,
    steps and epochs that have been done before.
For example, 20 epochs from the start:
    (losses, norms, rates, steps), carried = train(w_start, b_start, 0.05, 20.0, 20, 1, 0, 0)
Returns losses, largest gradient norms and learning rates, one an epoch, and an array of one:
    how many steps had a finite loss, after which it stops; then the first arguments as they
    have become.
Target numpy, float64. Kinks: zero.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/train_clipping.py --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def train(w_start, b_start, lr, all_epochs, epochs, batch_size, steps_before, epochs_before):
    """The training loop: epochs, minibatches, and in each of these a gradient and an update."""
    w_start = np.asarray(w_start, np.float64)
    b_start = np.asarray(b_start, np.float64)
    lr = np.asarray(lr, np.float64)
    all_epochs = np.asarray(all_epochs, np.float64)
    epochs = int(epochs)
    batch_size = int(batch_size)
    steps_before = int(steps_before)
    epochs_before = int(epochs_before)
    losses = np.zeros(epochs, np.float64)
    norms = np.zeros(epochs, np.float64)
    rates = np.zeros(epochs, np.float64)
    steps_done = np.zeros(1, np.int64)
    w = w_start
    b = b_start
    batches = 1
    for e in range(epochs):
        loss_sum = 0.0
        largest = 0.0
        for step in range(batches):
            h_states = np.empty(51, np.float64)
            h_states[0] = 0.5
            for t_2 in range(50):
                h = h_states[t_2]
                v1 = b + h * w
                v2 = np.exp(-np.abs(v1))  # exp(-abs(b + state*w))
                v3 = np.where(v1 < 0.0, v2, 1.0) / (v2 + 1.0)
                h_states[t_2 + 1] = v3
            v4 = h_states[50] - 0.7  # scan(1/2, b, w)[50] - 0.7
            result = v4 * v4

            # Adjoints, from the result back to the inputs.
            v4_bar = 2.0 * v4  # adjoint of scan(1/2, b, w)[50] - 0.7
            h_states_bar = np.zeros(51, np.float64)
            h_states_bar[50:] = v4_bar
            h_bar_states = np.empty(51, np.float64)
            h_bar_states[0] = v4_bar
            for t_3 in range(50):
                h_bar = h_bar_states[t_3]
                v5 = 49 - t_3
                v6 = np.exp(-np.abs(b + h_states[v5] * w))
                v7 = v6 + 1.0
                v8 = h_states_bar[v5] + h_bar * (v6 / (v7 * v7)) * w
                h_bar_states[t_3 + 1] = v8
            a1 = np.exp(-np.abs(b + h_states[:50] * w))
            z1 = a1 + 1.0
            a2 = h_bar_states[:50][::-1] * (a1 / (z1 * z1))
            b_bar_sum = np.sum(a2)
            w_bar_sum = np.sum(a2 * h_states[:50])
            norm = np.sqrt(w_bar_sum * w_bar_sum + b_bar_sum * b_bar_sum)
            v9 = np.minimum(1.0 / (norm + 1e-06), 1.0)
            w_new = w - w_bar_sum * v9 * lr
            b_new = b - b_bar_sum * v9 * lr
            rate = lr

            # What the step has found, and where it stops.
            loss = result
            loss_sum += loss
            if loss - loss != 0.0:
                break
            largest = np.maximum(largest, norm)
            rates[e] = rate
            steps_done[0] = e * batches + step + 1
            w = w_new
            b = b_new
        losses[e] = loss_sum
        norms[e] = largest
        if np.float64(steps_done[0] - (e + 1) * batches) != 0.0:
            break
    return (losses, norms, rates, steps_done), (w, b)
