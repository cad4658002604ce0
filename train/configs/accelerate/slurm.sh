#!/bin/bash
# Pretraining on two nodes with four GPUs each:
#
#   sbatch train/configs/accelerate/slurm.sh --config train/configs/paper.yaml \
#       --train_data /shared/pretrain.csv --output_dir /shared/runs/barcodemae-k6
#
# It saves and stops before its time is over: submit it again and it goes on. Data and output lie
# where both nodes see them.
#SBATCH --job-name=barcodemae
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=12:00:00

set -euo pipefail

first_node=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)
export first_node MAIN_PORT=${MAIN_PORT:-29500}

# One task a node, so that each reads its own rank; single quotes: it is read there.
srun --kill-on-bad-exit=1 bash -c '
    exec accelerate launch \
        --config_file train/configs/accelerate/2nodes.yaml \
        --machine_rank "$SLURM_NODEID" \
        --main_process_ip "$first_node" \
        --main_process_port "$MAIN_PORT" \
        -m train.pretrain --stop_after_minutes 705 "$@"
' pretrain "$@"
