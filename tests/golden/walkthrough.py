"""The walk-through of BLOOM on Alpaca-zh with prefix tuning, line by line on rows of our own, for
tests/tests/engine/walkthrough.rs: token ids and labels of its `process_func`, and the loss of its first steps as
transformers' Trainer has it (batch 1, accumulation 8; 8 rows, so that every step has all of them in whatever order).

Needs torch, transformers (5.23) and peft (0.21). Run in this folder: python walkthrough.py
"""

import json
import tempfile

import torch
from peft import PrefixTuningConfig, TaskType, get_peft_model
from transformers import AutoModelForCausalLM, DataCollatorForSeq2Seq, PreTrainedTokenizerFast, Trainer, TrainingArguments

MODEL = "cases/bloom-prefix-2x40/model"
MAX_LENGTH, VIRTUAL, STEPS = 256, 10, 4
ROWS = [
    {"instruction": "保持健康的三个提示。", "input": "", "output": "一、多走路；二、少熬夜；三、吃蔬菜。"},
    {"instruction": "把这句话译成英文", "input": "今天天气很好", "output": "The weather is fine today."},
    {"instruction": "Name the capital of France.", "input": "", "output": "Paris."},
    {"instruction": "给出反义词", "input": "高", "output": "低"},
    {"instruction": "  两边有空格 ", "input": "\n", "output": " 去掉前后的空白"},
    {"instruction": "算一算", "input": "3 + 4 = ?", "output": "7"},
    {"instruction": "写一个表情", "input": "高兴", "output": "😀"},
    {"instruction": "续写：从前有一座山", "input": "山里有座庙", "output": "庙里有个老和尚，正在给小和尚讲故事。\n故事是这样的。"},
]
LONG = {"instruction": "把下面的话重复四遍", "input": "春眠不觉晓，处处闻啼鸟。", "output": "春眠不觉晓，处处闻啼鸟。" * 6}


def values(n, salt, scale):
    """The same numbers as in the test: no generator is needed on either side."""
    return [((i * 7919 + salt * 104729) % 2003 / 2003 - 0.5) * scale for i in range(n)]


def process_func(example, tokenizer):
    instruction = tokenizer("\n".join(["Human: " + example["instruction"], example["input"]]).strip() + "\n\nAssistant: ")
    response = tokenizer(example["output"] + tokenizer.eos_token)
    input_ids = instruction["input_ids"] + response["input_ids"]
    attention_mask = instruction["attention_mask"] + response["attention_mask"]
    labels = [-100] * len(instruction["input_ids"]) + response["input_ids"]
    if len(input_ids) > MAX_LENGTH:
        input_ids, attention_mask, labels = (x[:MAX_LENGTH] for x in (input_ids, attention_mask, labels))
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


class Losses(Trainer):
    """Keeps what the micro-batches add to the loss of each step."""

    def training_step(self, *arguments, **options):
        loss = super().training_step(*arguments, **options)
        self.micro = getattr(self, "micro", []) + [float(loss)]
        return loss


def main():
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=f"{MODEL}/tokenizer.json", bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    rows = [process_func(row, tokenizer) for row in ROWS]
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager")
    width = model.config.hidden_size
    config = PrefixTuningConfig(
        task_type=TaskType.CAUSAL_LM, num_virtual_tokens=VIRTUAL, prefix_projection=True, encoder_hidden_size=width
    )
    model = get_peft_model(model, config)
    encoder = model.prompt_encoder["default"]
    names = ["embedding.weight", "transform.0.weight", "transform.0.bias", "transform.2.weight", "transform.2.bias"]
    parameters = dict(encoder.named_parameters())
    assert sorted(parameters) == sorted(names), sorted(parameters)
    with torch.no_grad():
        for salt, name in enumerate(names):
            p = parameters[name]
            scale = 2.0 if salt == 0 else 0.3
            p.copy_(torch.tensor(values(p.numel(), salt + 1, scale), dtype=torch.float64).reshape(p.shape).float())
    trainable, everything = model.get_nb_trainable_parameters()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=1, gradient_accumulation_steps=8, logging_steps=10,
            num_train_epochs=STEPS, save_strategy="no", report_to=[], use_cpu=True, learning_rate=5e-5,
        )
        trainer = Losses(
            model=model, args=arguments, train_dataset=rows,
            data_collator=DataCollatorForSeq2Seq(tokenizer=tokenizer, padding=True),
        )
        trainer.train()
    step = lambda at: sum(trainer.micro[8 * at : 8 * at + 8])
    losses = [step(at) for at in range(STEPS)]
    content = {
        "model": MODEL, "n_virtual": VIRTUAL, "names": names, "trainable": trainable, "all": everything,
        "rows": [{**row, **{k: made[k] for k in ("input_ids", "labels")}} for row, made in zip(ROWS, rows)],
        "long": {**LONG, **{k: v for k, v in process_func(LONG, tokenizer).items() if k != "attention_mask"}},
        "losses": losses,
        "after": {name: [float(f"{x:.8g}") for x in parameters[name].flatten()[:8].tolist()] for name in names},
    }
    with open("walkthrough.json", "w") as file:
        json.dump(content, file, separators=(",", ":"), ensure_ascii=False)
        file.write("\n")


main()
