"""What the public data sets are known to hold."""

from __future__ import annotations

# COCO 2017: pictures and annotations of a split, as its authors count them.
COCO_COUNTS = {'train2017': (118287, 860001), 'val2017': (5000, 36781)}

# COCO numbers 80 classes from 1 to 90; these numbers are not in use.
_COCO_GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
COCO_IDS = tuple(x for x in range(1, 91) if x not in _COCO_GAPS)
COCO_CLASSES = tuple(
    ' '.join(name.split())
    for name in """
    person, bicycle, car, motorcycle, airplane, bus, train, truck, boat,
    traffic light, fire hydrant, stop sign, parking meter, bench, bird, cat,
    dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack,
    umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball,
    kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket,
    bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple,
    sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair,
    couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote,
    keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book,
    clock, vase, scissors, teddy bear, hair drier, toothbrush
    """.split(',')
)

# ADE20K as SceneParsing, ADEChallengeData2016: 150 classes, 0 is none.
ADE20K_COUNTS = {'training': 20210, 'validation': 2000}
ADE20K_NUM_CLASSES = 150

# ImageNet-1K of the ILSVRC 2012: pictures, and the least and most of a class.
IMAGENET_COUNTS = {'train': (1281167, (732, 1300)), 'val': (50000, (50, 50))}
IMAGENET_NUM_CLASSES = 1000
