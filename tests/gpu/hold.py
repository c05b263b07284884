"""Takes most of the device's memory, keeps it busy, and does not end by itself: what a kill must give back."""

import os

import torch

device = os.environ["RUNNER_DEVICE"]
if device == "cuda":
    free, _ = torch.cuda.mem_get_info()
    held = torch.empty(int(free * 0.9), dtype=torch.uint8, device=device).fill_(1)
a = torch.randn(4096 if device == "cuda" else 256, 4096, device=device)
print("holding", flush=True)
while True:
    b = (a @ a.T).tanh()
