"""Build + Rootfs -> a live guest: QEMU, its console, QMP and SSH.  Knows no suite and judges nothing."""
