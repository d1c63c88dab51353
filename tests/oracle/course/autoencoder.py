"""A variational autoencoder with two heads: pictures again, and their labels."""

import torch
import torch.nn.functional as F
from torch import nn, optim


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ELU(), nn.Flatten(), nn.Linear(8 * 16, 2 * 4))
        self.decoder = nn.Sequential(
            nn.Linear(4, 8 * 16),
            nn.Unflatten(1, (8, 4, 4)),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            nn.Conv2d(8, 3, 3, padding=1),
            nn.Sigmoid(),
        )
        self.heads = nn.ModuleDict({"label": nn.Linear(4, 3), "size": nn.Linear(4, 1)})

    def forward(self, x, noise):
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        code = mean + noise * torch.exp(0.5 * log_variance)
        return self.decoder(code), mean, log_variance, {name: head(code) for name, head in self.heads.items()}


build = Autoencoder


def train(model, data):
    image, label, noise = data["image"], data["label"], data["noise"][:, :, 0, 0]
    picture = torch.sigmoid(image)
    optimizer = optim.NAdam(
        [
            {"params": model.encoder.parameters(), "lr": 1e-3},
            {"params": model.decoder.parameters()},
            {"params": model.heads.parameters(), "weight_decay": 1e-2},
        ],
        lr=2e-3,
    )
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        again, mean, log_variance, heads = model(picture, noise)
        kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp(), dim=1).mean()
        loss = F.binary_cross_entropy(again, picture) + 0.1 * kl + F.cross_entropy(heads["label"], label)
        loss = loss + F.smooth_l1_loss(heads["size"].squeeze(1), image.abs().mean((1, 2, 3)))
        loss.backward()
        optimizer.step()
        scheduler.step(loss.item())
        losses.append(loss.item())
    return losses
