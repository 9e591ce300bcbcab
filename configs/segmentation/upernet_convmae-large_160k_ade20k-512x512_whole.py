# The same network, tested on whole pictures instead of crops of 512 px: one
# pass for each. Nothing is published for this test.
_base_ = ['./upernet_convmae-large_160k_ade20k-512x512.py']
model = dict(test_cfg=dict(_delete_=True, mode='whole'))
