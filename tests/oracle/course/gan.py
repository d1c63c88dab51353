"""A generator and a discriminator of convolutions, trained in turns."""

import torch
from torch import nn, optim


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator = nn.Sequential(
            nn.ConvTranspose2d(4, 8, 4, 1, 0, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(True),
            nn.ConvTranspose2d(8, 3, 4, 2, 1),
            nn.Tanh(),
        )
        self.discriminator = nn.Sequential(
            nn.Conv2d(3, 8, 4, 2, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.InstanceNorm2d(8, affine=True),
            nn.Flatten(),
            nn.Linear(8 * 4 * 4, 1),
        )


build = Both


def train(model, data):
    real, noise = data["image"], data["noise"]
    generator, discriminator = model.generator, model.discriminator
    criterion = nn.BCEWithLogitsLoss()
    steps_d = optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    steps_g = optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    ones, zeros = torch.ones(real.size(0), 1), torch.zeros(real.size(0), 1)
    losses = []
    for _ in range(4):
        steps_d.zero_grad()
        fake = generator(noise)
        loss_d = criterion(discriminator(real), ones) + criterion(discriminator(fake.detach()), zeros)
        loss_d.backward()
        steps_d.step()
        steps_g.zero_grad()
        loss_g = criterion(discriminator(fake), ones)
        loss_g.backward()
        steps_g.step()
        losses += [loss_d.item(), loss_g.item()]
    mixed = (0.5 * real + 0.5 * fake.detach()).requires_grad_(True)
    score = discriminator(mixed)
    (gradient,) = torch.autograd.grad(score, mixed, torch.ones_like(score), create_graph=True)
    penalty = ((gradient.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
    penalty.backward()
    return [*losses, penalty.item(), discriminator[0].weight.grad.norm().item()]
