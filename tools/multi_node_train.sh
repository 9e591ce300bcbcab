#!/usr/bin/env bash
# Train on several machines without a scheduler. The same command on each, but
# for the second number, which counts the machines from 0:
#
#     multi_node_train.sh NODES NODE HEAD CONFIG GPUS [OPTIONS...]
#
# HEAD is the name or address of machine 0, GPUS those of each machine. PORT
# and PYTHON are taken from the environment. Data, work directory and
# repository must be at the same place on all of them.
set -euo pipefail

if [ "$#" -lt 5 ]; then
    echo "usage: $0 NODES NODE HEAD CONFIG GPUS [OPTIONS...]" >&2
    exit 2
fi
export NNODES=$1
export NODE_RANK=$2
export MASTER_ADDR=$3
shift 3

if ! [ "$NODE_RANK" -lt "$NNODES" ]; then
    echo "$0: NODE=$NODE_RANK must be 0 to NODES - 1 = $((NNODES - 1))" >&2
    exit 2
fi
exec bash "$(dirname "$0")/dist_train.sh" "$@"
