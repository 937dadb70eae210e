"""`make serve`: an edit of a page, of the settings or of the package is seen."""

import threading
from pathlib import Path

import pytest
from mkdocs.config import load_config
from mkdocs.livereload import LiveReloadServer

from sitebuild import hooks


@pytest.mark.parametrize(
    "edited", ["docs/index.md", "mkdocs.yml", "gradexplain/line.py", "sitebuild/figures/grid.py"]
)
def test_an_edit_is_seen(edited: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ["docs/index.md", "gradexplain/line.py", "sitebuild/figures/grid.py"]:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("# one\n", encoding="utf-8")
    (tmp_path / "mkdocs.yml").write_text("site_name: a site\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)  # the hook sets it for good
    config = load_config(str(tmp_path / "mkdocs.yml"))
    server = LiveReloadServer(lambda: None, "127.0.0.1", 0, str(tmp_path))
    for path in [config.docs_dir, str(config.config_file_path)]:  # as MkDocs does before the hook
        server.watch(path)
    hooks.on_serve(server, config=config)
    seen = threading.Event()
    monkeypatch.setattr(server, "_rebuild_cond", _Told(seen))
    server.observer.start()
    try:
        assert not seen.wait(0.3)
        (tmp_path / edited).write_text("# another\n", encoding="utf-8")
        assert seen.wait(5)
    finally:
        server.observer.stop()
        server.observer.join()
        server.server_close()


class _Told(threading.Condition):
    """Notes that a rebuild was asked for."""

    def __init__(self, seen: threading.Event) -> None:
        super().__init__()
        self.seen = seen

    def notify_all(self) -> None:
        self.seen.set()
        super().notify_all()
