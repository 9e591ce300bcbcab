"""Imports modules one by one and prints what happened, as JSON lines.

Run as a script in a process of its own: a module may fail in any way, down
to a segmentation fault, and what it leaves in the process hurts nobody. The
caller sees from the last line which import did not return.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings


def probe_torch() -> dict[str, object]:
    """Builds and devices of torch, and whether it takes numpy arrays."""
    import torch

    facts: dict[str, object] = {'torch_cuda': torch.version.cuda}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        facts['gpus'] = [
            torch.cuda.get_device_name(i)
            for i in range(torch.cuda.device_count())
            if torch.cuda.is_available()
        ]
    said = [str(x.message).splitlines()[0] for x in caught]
    facts['cuda_warning'] = said[0] if said else None
    try:
        torch.zeros(1).numpy()
    except Exception as error:
        facts['numpy_bridge_error'] = describe(error)
    return facts


def probe_torchvision() -> dict[str, object]:
    """Whether the compiled ops of torchvision fit to torch."""
    import torch
    from torchvision.ops import nms

    nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    return {}


def probe_mmcv() -> dict[str, object]:
    """Where mmcv's ops come from: compiled, substituted or missing."""
    import importlib.util

    spec = importlib.util.find_spec('mmcv._ext')
    if spec is None:
        return {'mmcv_ops': 'missing'}
    if type(spec.loader).__name__ == 'SubstituteLoader':
        return {'mmcv_ops': 'substituted'}
    try:
        importlib.import_module('mmcv._ext')
    except Exception as error:
        return {'mmcv_ops': 'broken', 'mmcv_ops_error': describe(error)}
    return {'mmcv_ops': 'compiled'}


PROBES = {
    'torch': probe_torch,
    'torchvision': probe_torchvision,
    'mmcv': probe_mmcv,
}


def describe(error: BaseException) -> str:
    """The error on one line."""
    text = ' '.join(str(error).split())
    return f'{type(error).__name__}: {text}'[:300]


def main(names: list[str]) -> None:
    """Import the modules, print ``{'start': name}`` and ``{'end': name}``."""
    # Only the script's result may get to stdout, whatever a library prints.
    out = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    # The folder of this script is no place to import from.
    sys.path.pop(0)
    hooked = any(type(x).__name__ == 'SubstituteFinder' for x in sys.meta_path)
    print(json.dumps({'start_up_hook': hooked}), file=out, flush=True)
    for name in names:
        print(json.dumps({'start': name}), file=out, flush=True)
        record: dict[str, object] = {'end': name, 'error': None}
        try:
            importlib.import_module(name)
            record.update(PROBES.get(name, dict)())
        except BaseException as error:  # SystemExit too
            record['error'] = describe(error)
        print(json.dumps(record), file=out, flush=True)


if __name__ == '__main__':
    main(sys.argv[1:])
