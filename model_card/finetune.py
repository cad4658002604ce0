"""Fine-tune BarcodeMAE with transformers alone, on CSV files with nucleotides and species.

python finetune.py MODEL train.csv validation.csv --output_dir my-species --num_train_epochs 10
"""

from datasets import load_dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
)

parser = HfArgumentParser(TrainingArguments)
for name in ("model", "train_csv", "validation_csv"):
    parser.add_argument(name)
parser.set_defaults(eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True)
parser.set_defaults(metric_for_best_model="accuracy", learning_rate=1e-4)
arguments, files = parser.parse_args_into_dataclasses()

data = load_dataset("csv", data_files={"train": files.train_csv, "val": files.validation_csv})
named = data.filter(lambda row: row["species"] is not None)
taxa = sorted(set(named["train"]["species"]))
label2id = {taxon: index for index, taxon in enumerate(taxa)}
known = named.filter(lambda row: row["species"] in label2id)
for split, rows in known.items():
    unnamed, unknown = len(data[split]) - len(named[split]), len(named[split]) - len(rows)
    print(f"{split}: {len(rows)} barcodes; left out: {unnamed} without a species, ", end="")
    print(f"{unknown} of species that the training file lacks")
    if not rows:
        raise SystemExit(f"{split}: no barcode is left. Name a species that training has.")
data = known
names = {"num_labels": len(taxa), "id2label": dict(enumerate(taxa)), "label2id": label2id}
tokenizer = AutoTokenizer.from_pretrained(files.model, trust_remote_code=True)
model = AutoModelForSequenceClassification.from_pretrained(
    files.model,
    trust_remote_code=True,
    dtype="float32",  # in float16, as some weights are saved, training gives NaN
    **names,
)
data = data.map(lambda rows: tokenizer(rows["nucleotides"], truncation=True), batched=True)
data = data.map(lambda row: {"labels": label2id[row["species"]]})
trainer = Trainer(
    model,
    arguments,
    data_collator=DataCollatorWithPadding(tokenizer),
    train_dataset=data["train"],
    eval_dataset=data["val"],
    processing_class=tokenizer,
    compute_metrics=lambda p: {"accuracy": float((p[0].argmax(-1) == p[1]).mean())},
)
trainer.train(resume_from_checkpoint=arguments.resume_from_checkpoint)
trainer.save_model()  # and, with --push_to_hub True, uploads it
print(trainer.evaluate())
