"""What is run against a kernel: one module a suite, C sources in `programs/`.  Knows no QEMU, only a shell."""
