"""Classification sets of a config: folders of classes, and lists."""

from __future__ import annotations

from checked_configs import Rows, assert_said, cases, in_both

WRONG: Rows = {
    'folders in the order of other names': (
        in_both('metainfo', dict(classes=('b', 'a', 'c'))),
        {'class-order': "classes=('a', 'b', 'c')"},
    ),
    'fewer names than folders': (
        in_both('metainfo', dict(classes=('a', 'b'))),
        {'class-count': "only: ['c']", 'num-classes': 'has 2 classes'},
    ),
    'labels of a list beyond the classes': (
        lambda cfg, root: [
            (root / 'list.txt').write_text('a/0.jpg 0\nb/0.jpg 3\n'),
            cfg['train_dataloader']['dataset'].update(ann_file='list.txt'),
        ],
        {'label-range': '1 of 2 labels are outside 0 to 2'},
    ),
    'no picture at all': (
        lambda cfg, root: [x.unlink() for x in root.glob('val/*/*')],
        {'dataset-unreadable': 'Found 0 files'},
    ),
}

UNUSUAL: Rows = {
    'an empty class folder': (
        lambda cfg, root: [x.unlink() for x in root.glob('train/b/*')],
        {'class-unused': "'b'"},
    ),
}

FINE: Rows = {
    'class folders': (lambda cfg, root: None,),
    'names that are no folders': (
        in_both('metainfo', dict(classes=('x', 'y', 'z'))),
    ),
}


@cases(WRONG, UNUSUAL, FINE, kind='cls')
def test_each_fault_is_named_and_no_other(case, changed):
    assert_said(case, changed)
