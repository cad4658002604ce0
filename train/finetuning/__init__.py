"""Fine-tuning: the small modules that `train.finetune` is made of."""
