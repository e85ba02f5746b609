"""Training by SGD(lr=0.01).

    value = (w*x - t)**2

Arguments, of each of which the loop starts from a copy:
    w_start        real number
Arguments that stay as they are:
    x_all          real numbers, one a sample, shape (samples,)
    t_all          real numbers, one a sample, shape (samples,)
    order          array of integers, shape (epochs, samples): the order of each epoch
Numbers: lr, the learning rate; all_epochs, how many epochs there are in all, for schedules;
    epochs, batch_size, steps_before, epochs_before: epochs to run, samples in a minibatch,
    steps and epochs that have been done before.
For example, 20 epochs from the start, 32 samples a step:
    order = np.array([np.random.permutation(len(x_all)) for _ in range(20)])
    (losses, norms, rates, steps), carried = train(w_start, ..., order, 0.01, 20.0, 20, 32, 0, 0)
Returns losses, largest gradient norms and learning rates, one an epoch, and an array of one:
    how many steps had a finite loss, after which it stops; then the first arguments as they
    have become.
Target numpy, float64. Kinks: zero.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/train_line.py --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def train(
    w_start,
    x_all,
    t_all,
    order,
    lr,
    all_epochs,
    epochs,
    batch_size,
    steps_before,
    epochs_before,
):
    """The training loop: epochs, minibatches, and in each of these a gradient and an update."""
    w_start = np.asarray(w_start, np.float64)
    if np.ndim(w_start) != 0:
        raise ValueError("w_start must be one number, which all samples share")
    x_all = np.asarray(x_all, np.float64)
    if np.ndim(x_all) != 1:
        raise ValueError("x_all must have 1 axis")
    t_all = np.asarray(t_all, np.float64)
    if np.ndim(t_all) != 1:
        raise ValueError("t_all must have 1 axis")
    order = np.asarray(order, np.int64)
    if np.ndim(order) != 2:
        raise ValueError("order must have 2 axes")
    lr = np.asarray(lr, np.float64)
    if np.ndim(lr) != 0:
        raise ValueError("lr must be one number, which all samples share")
    all_epochs = np.asarray(all_epochs, np.float64)
    if np.ndim(all_epochs) != 0:
        raise ValueError("all_epochs must be one number, which all samples share")
    epochs = int(epochs)
    batch_size = int(batch_size)
    steps_before = int(steps_before)
    epochs_before = int(epochs_before)
    samples_all = x_all.shape[0]
    if t_all.shape != (samples_all,):
        raise ValueError("t_all must have shape (samples_all,)")
    if order.shape != (epochs, samples_all):
        raise ValueError("order must have shape (epochs, samples_all)")
    losses = np.zeros(epochs, np.float64)
    norms = np.zeros(epochs, np.float64)
    rates = np.zeros(epochs, np.float64)
    steps_done = np.zeros(1, np.int64)
    w = w_start
    batches = (samples_all + (batch_size - 1)) // batch_size
    for e in range(epochs):
        x_epoch = x_all[order[e]]
        t_epoch = t_all[order[e]]
        loss_sum = 0.0
        largest = 0.0
        for step in range(batches):
            start = step * batch_size
            samples = min(batch_size, samples_all - start)
            x = x_epoch[start : start + samples]
            t = t_epoch[start : start + samples]
            z1 = w * x - t
            result = np.sum(z1 * z1) / samples

            # Adjoints, from the result back to the inputs.
            v1 = 2.0 * np.sum(z1 * x) / samples
            norm = np.sqrt(v1 * v1)
            w_new = w - v1 * lr
            rate = lr

            # What the step has found, and where it stops.
            loss = result
            loss_sum += loss * np.float64(samples)
            if loss - loss != 0.0:
                break
            largest = np.maximum(largest, norm)
            rates[e] = rate
            steps_done[0] = e * batches + step + 1
            w = w_new
        losses[e] = loss_sum / np.float64(samples_all)
        norms[e] = largest
        if np.float64(steps_done[0] - (e + 1) * batches) != 0.0:
            break
    return (losses, norms, rates, steps_done), (w,)
