#!/usr/bin/env bash
# Train under Slurm, one task for each GPU: options of srun, two dashes, and
# what tools/train.py takes:
#
#     slurm_train.sh --partition=gpu --nodes=4 --ntasks-per-node=8 \
#         --gpus-per-node=8 --cpus-per-task=10 -- CONFIG [OPTIONS...]
#
# A job that was preempted and requeued goes on by itself with
# --resume auto:
#
#     sbatch --requeue --open-mode=append --nodes=4 --gpus-per-node=8 \
#         --ntasks-per-node=8 --wrap="tools/slurm_train.sh -- CONFIG --resume auto"
#
# Inside an allocation (sbatch, salloc) nothing needs to stand before the
# dashes. MASTER_PORT and PYTHON are taken from the environment.
set -euo pipefail

srun_options=()
while [ "$#" -gt 0 ] && [ "$1" != -- ]; do
    srun_options+=("$1")
    shift
done
if [ "$#" -lt 2 ]; then
    echo "usage: $0 [SRUN OPTIONS...] -- CONFIG [OPTIONS...]" >&2
    exit 2
fi
shift

# One task that dies must not leave the others waiting for it. Before bash 4.4
# an empty array is an unset variable, hence the ${...+...}.
exec srun --kill-on-bad-exit=1 ${srun_options[@]+"${srun_options[@]}"} \
    "${PYTHON:-python}" -u "$(dirname "$0")/train.py" "$@" --launcher slurm
