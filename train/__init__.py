"""Training: `train.pretrain` under `accelerate launch`, and the small modules it is made of."""
