"""``Rows``: rows of accumulators, one per key, in pages of each key group."""

from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free

from sabotnb.native.keyindex cimport Slots
from sabotnb.native._target cimport Target, aim, at, look_ahead
from sabotnb.native.row_image cimport Log, RowImage, image_of, save
from sabotnb.native.row_pages cimport RowPages, copy_rows, shift_of, zero_rows
from sabotnb.native.saved_rows cimport SavedRows, fence, saved_rows

from weakref import ref

import numpy as np


cdef class Rows:
    def __cinit__(self, int width, int groups=1):
        if width <= 0 or width % 8:
            raise ValueError(f"rows of {width} bytes; it must be a positive multiple of 8")
        self.width = width
        self.groups = groups
        self.shift = shift_of(width)
        self.pages = [None] * groups
        self.images = {}
        self.log = _nothing
        self.bases = <char***> calloc(groups, sizeof(char**))
        self.room = <uint32_t*> calloc(groups, sizeof(uint32_t))
        if self.bases == NULL or self.room == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.bases)
        free(self.room)

    def reserve(self, sizes):
        cdef const uint32_t[::1] wanted = sizes
        cdef int group
        for group in range(self.groups):
            if wanted[group] > self.room[group]:
                self._grow(group, wanted[group])

    def read(self, int group, start, stop):
        cdef uint32_t first = start, last = min(stop, self.room[group])
        rows = np.zeros((stop - start, self.width), np.uint8)
        cdef char[:, ::1] view = rows.view(np.int8)
        if first < last:
            copy_rows(self.bases[group], self.shift, self.width, first, last, &view[0, 0])
        return rows

    def freeze(self, int group, size):
        cdef RowPages pages = self.pages[group] or RowPages(self.width)
        cdef RowImage last = self._image(group)
        cdef RowImage image = image_of(pages, min(size, pages.room), last, self._log(group), group)
        if last is not None:
            last.later = image
        self.images[group] = ref(image)
        return image

    def save(self, Slots slots):
        cdef list images = self._images()
        cdef Log** logs = logs_of(self, images)
        cdef Target target
        cdef Log* log
        cdef int64_t i
        cdef bint fits = True
        if logs == NULL:
            return
        aim(self, slots, &target)
        with nogil:
            for i in range(target.rows):
                look_ahead(&target, i)
                log = logs[0 if target.groups == NULL else target.groups[i]]
                if log != NULL:
                    fits &= save(log, target.slots[i], at(&target, i))
            fence()
        free(logs)
        if not fits:
            raise MemoryError("cannot allocate memory for the frozen rows of a checkpoint")

    def drop(self, int group):
        """Images share these pages, which do not change any more; so the images need no further records."""
        if self.pages[group] is not None:
            self.total -= (<RowPages> self.pages[group]).nbytes()
        self.images.pop(group, None)
        self.pages[group] = None
        self.bases[group] = NULL
        self.room[group] = 0

    def clear(self, sizes):
        cdef const uint32_t[::1] used = sizes
        cdef int group
        for group in range(self.groups):
            if used[group] and self._image(group) is not None:
                self.drop(group)
            zero_rows(self.bases[group], self.shift, self.width, min(used[group], self.room[group]))

    def nbytes(self, int group=0):
        return (<RowPages> self.pages[group]).nbytes() if self.pages[group] is not None else 0

    cdef SavedRows _log(self, int group):
        """The log of the last image if the next one, of ``group``, may share it; else a new one."""
        cdef SavedRows log = self.log()
        if log is None or not log.empty(group):
            log = saved_rows(self.groups, self.width)
            self.log = ref(log)
        return log

    cdef list _images(self):
        """(group, image) of the images that are in use."""
        return [(group, image) for group in list(self.images) if (image := self._image(group)) is not None]

    cdef RowImage _image(self, int group):
        """The last image of ``group`` if anything refers to it."""
        known = self.images.get(group)
        if known is None:
            return None
        image = known()
        if image is None:
            del self.images[group]
        return image

    cdef bint _grow(self, int group, uint32_t rows) except False:
        cdef RowPages pages = self.pages[group]
        cdef bint fits
        if pages is None:
            pages = self.pages[group] = RowPages(self.width)
        self.total -= pages.nbytes()
        fits = pages.reserve(rows)
        self.total += pages.nbytes()
        self.bases[group] = pages.bases
        self.room[group] = pages.room
        if not fits:
            raise MemoryError(f"cannot allocate memory for {rows:,} rows of {self.width} bytes")
        return True


def _nothing():
    """Stand in for a weak reference to a log."""


cdef Log** logs_of(Rows rows, list images) except? NULL:
    """The logs of ``images`` by group, to be freed while the images are held; NULL without images."""
    cdef Log** logs
    cdef RowImage image
    cdef int group
    if not images:
        return NULL
    logs = <Log**> calloc(rows.groups, sizeof(Log*))
    if logs == NULL:
        raise MemoryError
    for group, image in images:
        logs[group] = &image.log
    return logs
