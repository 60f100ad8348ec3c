"""What torch's and transformers' optimizers and schedules compute, for tests/tests/engine/optimizers.rs.

Needs torch and transformers (5.23). Run in this folder: python optimizers.py
"""

import json

import torch
from transformers import optimization
from transformers.optimization import Adafactor

SHAPES = [[5], [1], [4, 6], [1, 3], [2, 3, 5]]
STEPS = 5
RATE = 0.03

OPTIMIZERS = [
    {"type": "adamw"},
    {"type": "adamw", "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4, "weight_decay": 0.1},
    {"type": "adam", "beta1": 0.9, "beta2": 0.98, "epsilon": 1e-6, "weight_decay": 0.0},
    {"type": "adam", "weight_decay": 0.2},
    {"type": "adafactor"},
    {"type": "adafactor", "weight_decay": 0.1, "decay_rate": -0.5, "clip_threshold": 0.3},
    {"type": "adafactor", "beta1": 0.9, "weight_decay": 0.05},
    {"type": "adafactor", "scale_parameter": True, "epsilon_scale": 0.4, "epsilon": 1e-8},
    {"type": "adafactor", "scale_parameter": True, "beta1": 0.5, "weight_decay": 0.1},
    {"type": "sgd"},
    {"type": "sgd", "momentum": 0.9, "weight_decay": 0.1},
    {"type": "sgd", "momentum": 0.8, "nesterov": True, "weight_decay": 0.05},
]

SCHEDULES = [
    ({"type": "linear"}, "get_linear_schedule_with_warmup", {}),
    ({"type": "cosine"}, "get_cosine_schedule_with_warmup", {}),
    ({"type": "constant"}, "get_constant_schedule_with_warmup", {}),
    ({"type": "polynomial", "power": 2.0, "end_rate": 0.004}, "get_polynomial_decay_schedule_with_warmup",
     {"power": 2.0, "lr_end": 0.004}),
    ({"type": "polynomial"}, "get_polynomial_decay_schedule_with_warmup", {}),
    ({"type": "inverse_sqrt"}, "get_inverse_sqrt_schedule", {}),
    ({"type": "inverse_sqrt", "timescale": 3}, "get_inverse_sqrt_schedule", {"timescale": 3}),
    ({"type": "cosine_with_restarts", "cycles": 3}, "get_cosine_with_hard_restarts_schedule_with_warmup",
     {"num_cycles": 3}),
]


def optimizer(settings, parameters):
    s = dict(settings)
    kind = s.pop("type")
    if kind in ("adamw", "adam"):
        make = torch.optim.AdamW if kind == "adamw" else torch.optim.Adam
        betas = (s.get("beta1", 0.9), s.get("beta2", 0.999))
        return make(parameters, lr=RATE, betas=betas, eps=s.get("epsilon", 1e-8), weight_decay=s.get("weight_decay", 0.0))
    if kind == "sgd":
        return torch.optim.SGD(parameters, lr=RATE, **s)
    eps = (s.pop("epsilon", 1e-30), s.pop("epsilon_scale", 1e-3))
    s.setdefault("scale_parameter", False)
    return Adafactor(parameters, lr=RATE, relative_step=False, eps=eps, **s)


def numbers(tensor):
    return [float(f"{x:.9g}") for x in tensor.flatten().tolist()]


def main():
    torch.manual_seed(7)
    initial = [torch.randn(shape) * 0.5 for shape in SHAPES]
    gradients = [[torch.randn(shape) * 10 ** (step % 3 - 1) for shape in SHAPES] for step in range(STEPS)]
    # A row without gradient.
    for of_step in gradients:
        of_step[2][1] = 0.0
    cases = []
    for settings in OPTIMIZERS:
        for clip in (None, 2.0) if settings.get("weight_decay") else (None,):
            parameters = [torch.nn.Parameter(value.clone()) for value in initial]
            stepper = optimizer(settings, parameters)
            norms, after = [], []
            for of_step in gradients:
                for parameter, gradient in zip(parameters, of_step):
                    parameter.grad = gradient.clone()
                if clip is not None:
                    norms.append(float(torch.nn.utils.clip_grad_norm_(parameters, clip)))
                stepper.step()
                after.append([x for parameter in parameters for x in numbers(parameter.detach())])
            cases.append({"optimizer": settings, "clip_norm": clip, "norms": norms, "after": after})
    schedules = []
    for settings, name, options in SCHEDULES:
        for warmup, total in ((0, 12), (4, 12), (3, 3)):
            if warmup == total and "polynomial" in name:
                continue  # transformers divides by 0 here
            stepper = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
            options_of = dict(options, num_warmup_steps=warmup)
            if "constant" not in name and "inverse" not in name:
                options_of["num_training_steps"] = total
            schedule = getattr(optimization, name)(stepper, **options_of)
            rates = []
            for _ in range(total):
                rates.append(stepper.param_groups[0]["lr"])
                stepper.step()
                schedule.step()
            schedules.append({"schedule": settings, "warmup_steps": warmup, "rates": rates})
    content = {
        "rate": RATE,
        "shapes": SHAPES,
        "initial": [numbers(value) for value in initial],
        "gradients": [[numbers(gradient) for gradient in of_step] for of_step in gradients],
        "optimizers": cases,
        "schedules": schedules,
    }
    with open("optimizers.json", "w") as file:
        json.dump(content, file, separators=(",", ":"))
        file.write("\n")


main()
