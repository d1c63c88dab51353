"""Sequences of several lengths, packed, through an LSTM of two layers in both directions, and a GRU behind it."""

import torch
from torch import nn, optim
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 6, padding_idx=0)
        self.lstm = nn.LSTM(6, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(10, 4, batch_first=True)
        self.out = nn.Linear(4, 3)

    def forward(self, tokens, lengths):
        packed = pack_padded_sequence(self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False)
        hidden, (h, c) = self.lstm(packed)
        hidden, _ = pad_packed_sequence(hidden, batch_first=True)
        hidden, last = self.gru(hidden)
        return self.out(hidden), h.mean() + c.mean() + last.mean()


build = Tagger


def train(model, data):
    tokens, lengths = data["tokens"], torch.tensor([7, 4, 6, 2, 7, 5])
    mask = torch.arange(7)[None, :] >= lengths[:, None]
    tokens = tokens.masked_fill(mask, 0)
    target = (tokens % 3).masked_fill(mask, -100)
    optimizer = optim.RMSprop(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(5):
        logits, state = model(tokens, lengths)
        loss = nn.functional.cross_entropy(logits.transpose(1, 2), target, ignore_index=-100) + 0.1 * state
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
