"""How much the page takes from whoever asks, so that nobody can use up the machine."""

PHOTO_BYTES = 20 * 2**20
PHOTO_PIXELS = 50_000_000
PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff")
JSON_BYTES = 8 * 2**20
BODY_SECONDS = 120.0
BODIES_BYTES = 512 * 2**20
"""Of all requests together that are being served."""

PHOTOS_IN_A_TASTE = 200
ITEMS_IN_A_TASTE = 500
FILTERS = 40
VALUES_IN_A_FILTER = 200
TEXT = 500

CATEGORIES = 200
"""Of each column that looks are completed from, the largest."""

PAGE_SIZE = 200
ITEMS_DEEP = 1000
"""How far down the recommendations can be paged."""

SIMILAR_DEEP = 480
"""The same for similar items: the most alike are looked at for colours, not all."""

SHIFTS = 100

WAITING_PHOTOS = 64
WAITING_REQUESTS = 64
WAITING_PICTURES = 1000

THUMBNAIL_BYTES = 128 * 2**20
PHOTOS_IN_AN_ADDITION = 2000
MANIFEST_ROWS = 100_000
MANIFEST_TYPES = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/x-ndjson": ".jsonl",
}
