"""The keys of one boot: the guest's host key and our login key, both Ed25519 and never used again.

The guest gets them as a second cpio segment behind its initramfs.  Nothing here is written to a disk.
"""

from __future__ import annotations

import base64
import io
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paramiko import Ed25519Key

from harness.guest import cpio

HOST_KEY_PATH = "etc/dropbear/host_key"
AUTHORIZED_KEYS_PATH = "root/.ssh/authorized_keys"
KEY_TYPE = "ssh-ed25519"


@dataclass(frozen=True, slots=True)
class Keys:
    """Key material of one boot."""

    host_public: Ed25519Key  # to be pinned
    login: Ed25519Key
    segment: bytes  # the guest's side, a cpio archive


def _ssh_string(data: bytes) -> bytes:
    """RFC 4251 §5."""
    return struct.pack(">I", len(data)) + data


def _halves(key: Ed25519PrivateKey) -> tuple[bytes, bytes]:
    """The private seed and the public key, 32 bytes each (RFC 8032)."""
    return key.private_bytes_raw(), key.public_key().public_bytes_raw()


def public_blob(key: Ed25519PrivateKey) -> bytes:
    """The public key as it goes over the wire (RFC 8709 §4)."""
    return _ssh_string(KEY_TYPE.encode()) + _ssh_string(_halves(key)[1])


def dropbear_host_key(key: Ed25519PrivateKey) -> bytes:
    """The private key in dropbear's own file format: the type's name, then seed and public key as one string."""
    return _ssh_string(KEY_TYPE.encode()) + _ssh_string(b"".join(_halves(key)))


def authorized_line(key: Ed25519PrivateKey) -> str:
    return f"{KEY_TYPE} {base64.b64encode(public_blob(key)).decode()} vmaharness\n"


def make_keys() -> Keys:
    """New keys."""
    host, login = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    pem = login.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    entries = [
        cpio.regular(HOST_KEY_PATH, dropbear_host_key(host), 0o600),
        cpio.directory("root", 0o700),
        cpio.directory("root/.ssh", 0o700),
        cpio.regular(AUTHORIZED_KEYS_PATH, authorized_line(login).encode(), 0o600),
    ]
    return Keys(
        host_public=Ed25519Key(data=public_blob(host)),
        login=Ed25519Key.from_private_key(io.StringIO(pem.decode())),
        segment=cpio.pack(cpio.with_parents(entries)),
    )
