"""Keys: dropbear's file format, the line of authorized_keys, and the segment that carries them."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from harness.guest import cpio, keys
from tests.fakes.sshd import load_host_key, read_strings


def test_the_guests_side_matches_ours() -> None:
    made = keys.make_keys()
    entries = {entry.path: entry for entry in cpio.unpack(made.segment)}
    host = load_host_key(entries[keys.HOST_KEY_PATH].data)
    kind, blob, _comment = entries[keys.AUTHORIZED_KEYS_PATH].data.decode().split()
    assert host.asbytes() == made.host_public.asbytes()
    assert (kind, blob) == ("ssh-ed25519", made.login.get_base64())


def test_nobody_else_may_read_them() -> None:
    """dropbear refuses keys in places that others can write."""
    modes = {entry.path: stat.S_IMODE(entry.mode) for entry in cpio.unpack(keys.make_keys().segment)}
    private = ("root", "root/.ssh", keys.AUTHORIZED_KEYS_PATH, keys.HOST_KEY_PATH)
    assert [modes[path] & 0o077 for path in private] == [0, 0, 0, 0]


def test_every_boot_has_its_own() -> None:
    first, second = keys.make_keys(), keys.make_keys()
    assert first.host_public.asbytes() != second.host_public.asbytes()
    assert first.login.asbytes() != second.login.asbytes()


def test_the_host_key_file_is_two_strings() -> None:
    entries = {entry.path: entry.data for entry in cpio.unpack(keys.make_keys().segment)}
    kind, both = read_strings(entries[keys.HOST_KEY_PATH])
    assert (kind, len(both)) == (b"ssh-ed25519", 64)


@pytest.mark.skipif(shutil.which("dropbearkey") is None, reason="no dropbearkey here")
def test_dropbear_reads_its_key(tmp_path: Path) -> None:
    made = keys.make_keys()
    entries = {entry.path: entry.data for entry in cpio.unpack(made.segment)}
    path = tmp_path / "key"
    path.write_bytes(entries[keys.HOST_KEY_PATH])
    told = subprocess.run(["dropbearkey", "-y", "-f", path], capture_output=True, text=True, check=True).stdout
    assert made.host_public.get_base64() in told
