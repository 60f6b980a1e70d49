"""Places that hold a shared checkpoint: a folder of this machine, and a repository of the Hugging Face hub.

Of another place only files are fetched whose names stand in this package, so that no name from there becomes a path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from selip.system.errors import InputError, one_line
from selip.system.files import is_partial, write_atomically

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

HUB = "hf:"
RECORDS = "records"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
Files = Mapping[str, bytes]
"""Name below the place, "/" between its parts, to content; written in this order."""


@dataclass(frozen=True)
class Folder:
    """A folder of this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def names(self) -> list[str]:
        """Names of its files and folders."""
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"got {self}, which is a file; name a folder, or {HUB}OWNER/NAME")
        return sorted(path.name for path in self.path.glob("*") if not is_partial(path))

    def fetch(self, name: str) -> Path:
        """The path of one."""
        return self.path / name

    def put(self, files: Files) -> None:
        """Writes each whole or not at all, the last one last; records that are not among them are removed."""
        for name, data in files.items():
            if not (self.path / name).resolve().is_relative_to(self.path.resolve()):
                raise InputError(f"got a file {name} that lies outside of {self.path}; have it pushed again")
            write_atomically(self.path / name, data)
        for path in (self.path / RECORDS).glob("*"):
            if path.is_file() and f"{RECORDS}/{path.name}" not in files:
                path.unlink()


@dataclass(frozen=True)
class Repository:
    """A model repository of the hub.

    Attributes:
        name: "OWNER/NAME".
        private: Whether it is made private, where it is made.
    """

    name: str
    private: bool = True

    def __str__(self) -> str:
        return f"{HUB}{self.name}"

    @cached_property
    def _info(self) -> ModelInfo | None:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import RepositoryNotFoundError

        with self._asked():
            try:
                return HfApi().model_info(self.name)
            except RepositoryNotFoundError:
                return None

    def names(self) -> list[str]:
        """Names of the files at its last commit."""
        files = self._info.siblings if self._info else None
        return sorted(file.rfilename for file in files or () if file.rfilename != ".gitattributes")

    def fetch(self, name: str) -> Path:
        """One as of that commit, in the hub's cache."""
        from huggingface_hub import hf_hub_download

        with self._asked():
            return Path(hf_hub_download(self.name, name, revision=self._info.sha if self._info else None))

    def put(self, files: Files) -> None:
        """Makes the repository if there is none, and adds one commit."""
        from huggingface_hub import HfApi

        with TemporaryDirectory() as folder, self._asked():
            Folder(Path(folder)).put(files)
            api = HfApi()
            api.create_repo(self.name, private=self.private, exist_ok=True)
            api.upload_folder(
                repo_id=self.name, folder_path=folder, delete_patterns=f"{RECORDS}/*", commit_message="selip push"
            )

    @contextmanager
    def _asked(self) -> Iterator[None]:
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

        try:
            yield
        except (HTTPError, OSError, ValueError) as error:
            raise InputError(
                f"got {self}, which the hub does not give or take ({one_line(error)}); name one that is open to "
                "you ('hf auth login'), with a network and without HF_HUB_OFFLINE, or a folder"
            ) from error


SharingPlace = Folder | Repository
"""What holds shared files: it has names, fetches one, and puts some over those of their names."""


def place_of(text: str, private: bool = True) -> SharingPlace:
    """The place that a user names.

    "hf:OWNER/NAME" is a repository of the hub, and so is "OWNER/NAME" unless it or OWNER is a folder here; anything
    else is a folder.

    Raises:
        InputError: For "hf:" without OWNER/NAME.
    """
    name, path = text.removeprefix(HUB), Path(os.path.expanduser(text))
    is_hub = name != text
    if is_hub and not _REPOSITORY.fullmatch(name):
        raise InputError(f"got {text}; name {HUB}OWNER/NAME, or a folder")
    if is_hub or (_REPOSITORY.fullmatch(text) and text[0] != "." and not (path.exists() or path.parent.is_dir())):
        return Repository(name, private)
    return Folder(path)
