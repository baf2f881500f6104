"""What both trainings share: initial weights, the learning rate's course, the moving average."""
import math

import torch


def initial(name, shape, generator, zero=(), small=(), gain=.5):
    """Weights at 1/sqrt(inputs), zero or shrunk where the name says so; norms 1, biases 0."""
    if len(shape) == 1:
        is_scale = name.endswith('weight')
        return torch.ones(shape) if is_scale else torch.zeros(shape)
    if any(part in name for part in zero):
        return torch.zeros(shape)
    weight = torch.randn(shape, generator=generator) / math.prod(shape[1:]) ** .5
    return weight * gain if any(part in name for part in small) else weight


def rate(peak, step, progress, warm=50, floor=.02):
    """A linear start, then half a cosine down to floor times the peak."""
    course = floor + (1 - floor) * (.5 + .5 * math.cos(math.pi * min(1, progress)))
    return peak * min(1, (step + 1) / warm) * course


class Average:
    """Exponential moving average of parameters; young averages forget faster."""

    def __init__(self, parameters, decay=.998):
        self.parameters = parameters
        self.decay = decay
        self.steps = 0
        self.values = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def update(self):
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.values, [p.detach() for p in self.parameters], 1 - decay)
        self.steps += 1
