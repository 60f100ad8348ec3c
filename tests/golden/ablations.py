"""What papers compare a prefix with and PEFT does not have, on top of PEFT's prefix: a prefix for some of the layers, a
network of two hidden layers, an infix, and embeddings behind a network of one hidden layer."""
import json
import os

import torch
from safetensors.torch import save_file
from torch import nn


class Prefix(nn.Module):
    """In place of PEFT's PrefixEncoder: keys and values of `layers`, zeros for the others, through `hidden` layers or none."""

    def __init__(self, virtual, n_layers, d, layers, width, hidden):
        super().__init__()
        self.sizes = (virtual, n_layers, 2 * d)
        self.layers = layers
        row = len(layers) * 2 * d
        self.embedding = nn.Embedding(virtual, d if hidden else row)
        widths = [d] + [width] * hidden
        inner = [m for a, b in zip(widths, widths[1:]) for m in (nn.Linear(a, b), nn.Tanh())]
        self.transform = nn.Sequential(*inner, nn.Linear(width, row)) if hidden else nn.Identity()

    def forward(self, tokens):
        virtual, n_layers, pair = self.sizes
        own = self.transform(self.embedding.weight).view(virtual, len(self.layers), pair)
        whole = own.new_zeros(virtual, n_layers, pair)
        whole[:, self.layers] = own
        return whole.view(1, virtual, -1).expand(tokens.shape[0], -1, -1)


class Embeddings(nn.Module):
    """In place of PEFT's PromptEncoder: linear, tanh, linear."""

    def __init__(self, virtual, d, width):
        super().__init__()
        self.embedding = nn.Embedding(virtual, d)
        self.mlp_head = nn.Sequential(nn.Linear(d, width), nn.Tanh(), nn.Linear(width, d))

    def forward(self, tokens):
        return self.mlp_head(self.embedding.weight).expand(tokens.shape[0], -1, -1)


def change(wrapped, spec, seed):
    """PEFT's model, changed to compute an ablation."""
    torch.manual_seed(seed)
    config, own = wrapped.peft_config["default"], spec["ablation"]
    if own.get("embeddings"):
        wrapped.prompt_encoder["default"] = Embeddings(config.num_virtual_tokens, config.token_dim, spec["hidden"])
        return wrapped
    layers = own.get("layers", list(range(config.num_layers)))
    hidden = own.get("hidden_layers", 1 if spec.get("hidden") else 0)
    wrapped.prompt_encoder["default"] = Prefix(
        config.num_virtual_tokens, config.num_layers, config.token_dim, layers, spec.get("hidden"), hidden)
    base, n = wrapped.get_base_model(), config.num_virtual_tokens
    for name, module in base.named_modules():
        if name.endswith((".attn", ".self_attn")):
            layer = int(name.split(".")[-2])
            if layer not in layers:
                module.register_forward_pre_hook(hide(n), with_kwargs=True)
    if own.get("infix"):
        base.register_forward_pre_hook(between(n), with_kwargs=True)
    return wrapped


def hide(n):
    """Takes the first n columns from what an attention layer sees."""

    def hook(module, args, kwargs):
        mask = kwargs["attention_mask"]
        if mask is None:
            seq = (args[0] if args else kwargs["hidden_states"]).shape[1]
            past = kwargs["past_key_values"].get_seq_length(0)
            past -= seq if past > n and seq > 1 else 0
            mask = torch.ones(seq, past + seq, dtype=torch.bool).tril(past)[None, None]
        mask = mask.clone()
        mask[..., :n] = False if mask.dtype == torch.bool else torch.finfo(mask.dtype).min
        return args, {**kwargs, "attention_mask": mask}

    return hook


def between(n):
    """Puts the first n columns behind the last token but one of each prompt, for those that come after."""

    def hook(module, args, kwargs):
        ids, mask, labels = kwargs["input_ids"], kwargs["attention_mask"], kwargs.get("labels")
        past = kwargs["past_key_values"].get_seq_length()
        batch, seq = ids.shape
        if past > n:  # a token behind a prompt sees everything
            return args, kwargs
        columns = torch.arange(seq)
        if labels is None:
            first = torch.full((batch,), seq - 1)
            position = (mask[:, n:].long().cumsum(-1) - 1).clamp(min=0)
        else:  # training counts columns
            first = (labels != -100).int().argmax(1) - 1
            position = columns.expand(batch, seq)
        behind = columns[None] >= first[:, None]
        seen = torch.ones(seq, n + seq, dtype=torch.bool).tril(n).expand(batch, seq, -1) & mask[:, None].bool()
        seen[:, :, :n] &= behind[:, :, None]
        # A padding query that sees nothing is nobody's concern, but must not be divided by zero.
        seen |= ~seen.any(-1, keepdim=True)
        dtype = module.dtype
        bias = torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)
        return args, {**kwargs, "attention_mask": bias[:, None], "position_ids": position + n * behind}

    return hook


def save(wrapped, spec, folder):
    """What PEFT would write of such a prefix, and how it stands in the model."""
    path = os.path.join(folder, "adapter_model.safetensors")
    with torch.no_grad():
        flat = wrapped.prompt_encoder["default"].float()(torch.zeros(1, 1))[0]
    save_file({"prompt_embeddings": flat.contiguous()}, path, metadata={"format": "pt"})
    own = {"positions": "infix" if spec["ablation"].get("infix") else "shifted"}
    if "layers" in spec["ablation"]:
        own["layers"] = spec["ablation"]["layers"]
    if own == {"positions": "shifted"}:
        return
    with open(os.path.join(folder, "positions.json"), "w") as f:
        json.dump(own, f)
