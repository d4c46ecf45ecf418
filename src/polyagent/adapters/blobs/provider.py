"""The storage of documents."""

from pathlib import Path

from dishka import Provider, Scope, provide

from polyagent.adapters.blobs.blobs import DIRECTORY, ObjectBlobs, require_sound, store_of
from polyagent.ports.documents.blobs import Blobs
from polyagent.settings import Documents


class BlobsProvider(Provider):
    """Raises `SettingsError` for a storage that cannot be one."""

    scope = Scope.APP

    def __init__(self, data_dir: Path, storage: str) -> None:
        super().__init__()
        require_sound(storage)
        self._directory = data_dir / DIRECTORY

    @provide
    def blobs(self, settings: Documents) -> Blobs:
        return ObjectBlobs(store_of(settings.storage, self._directory))
