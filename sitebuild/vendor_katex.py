"""Renew sitebuild/katex/ from the npm package; needs npm on the machine.

Run it as `python -m sitebuild.vendor_katex`.
"""

import base64
import hashlib
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

VERSION = "0.19.1"
INTEGRITY = (
    "jG8uKntjSEcm2EpQOh0XturpPuuC9r3Sq5HLHdsFdWZT27E672SF19QEi+of0/YeOy15lDgRhKvr5614uRrEfA=="
)
FOLDER = Path(__file__).parent / "katex"


def main() -> None:
    """Fetch the pinned package, check it against its hash, and keep what the site needs of it."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = _fetch(Path(scratch))
        with tarfile.open(archive) as package:
            package.extractall(scratch, filter="data")
        _keep(Path(scratch) / "package")


def _fetch(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("renewing KaTeX needs npm, which comes with Node.js")
    subprocess.run([npm, "pack", f"katex@{VERSION}"], cwd=folder, check=True, capture_output=True)  # noqa: S603 - a fixed command
    archive = folder / f"katex-{VERSION}.tgz"
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise SystemExit(f"katex {VERSION} must have sha512 {INTEGRITY}, not {found}")
    return archive


def _keep(package: Path) -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "fonts").mkdir(parents=True)
    shutil.copy(package / "LICENSE", FOLDER)
    shutil.copy(package / "dist" / "katex.min.js", FOLDER)
    for font in sorted((package / "dist" / "fonts").glob("*.woff2")):
        shutil.copy(font, FOLDER / "fonts")
    css = (package / "dist" / "katex.css").read_text(encoding="utf-8")
    woff2_only = re.sub(r",\s*url\([^)]*\.(?:woff|ttf)\) format\([^)]*\)", "", css)
    (FOLDER / "katex.css").write_text(woff2_only, encoding="utf-8", newline="\n")
    (FOLDER / "VERSION").write_text(f"katex {VERSION}\n" + "".join(_hashes()), newline="\n")


def _hashes() -> list[str]:
    files = sorted(path for path in FOLDER.rglob("*") if path.is_file())
    return [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(FOLDER).as_posix()}\n"
        for path in files
    ]


if __name__ == "__main__":
    main()
