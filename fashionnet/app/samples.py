"""The sample catalogue's pictures, which are drawn when they are first needed."""

import threading
import time
from dataclasses import replace
from pathlib import Path

from fashionnet.repository.store import Items
from fashionnet.samples.shipped import drawn_photo


class SamplePictures:
    """Draws one picture at a time, and remembers which are there."""

    def __init__(self, items: Items) -> None:
        self._items = items
        self._paths: dict[str, str] = {}
        self._drawing = threading.Lock()
        self._begun = False

    @property
    def drawn(self) -> int:
        """How many pictures are there."""
        return len(self._paths)

    def path(self, row: int) -> Path:
        """Return the picture of an item, drawn where it is missing."""
        with self._drawing:
            path = drawn_photo(self._items, row)
            self._paths[self._items.ids[row]] = str(path)
            return path

    def draw_all(self) -> None:
        """Begin to draw every picture, in the background, unless that was begun."""
        with self._drawing:
            if self._begun:
                return
            self._begun = True
        threading.Thread(target=self._draw_all, daemon=True).start()

    def so_far(self, items: Items) -> Items:
        """Return items with the pictures that are there."""
        photos = [
            self._paths.get(name, photo)
            for name, photo in zip(items.ids, items.photos, strict=True)
        ]
        return replace(items, photos=photos)

    def _draw_all(self) -> None:
        for row in range(len(self._items)):
            self.path(row)
            # A picture that somebody waits for comes between.
            time.sleep(0.01)
