"""``RowImage``: the rows of a key group as they were at a freeze, while the task goes on changing them.

Theory of operation. A freeze copies no rows. The image shares the pages, and the task saves a row in the log of the last
image before it changes that row for the first time since. What a batch pays after a freeze is therefore bounded by its
own rows, however large the state is.

Several images. Only the last image of a group gets records. An image refers to the next one (``later``), and a row that
it has no record of is, in this order, in the log of a later image or unchanged in the pages. The log of an image
therefore covers at least the slots of the image before it. ``Rows`` refers weakly to the last image, so saving stops
when no image is left.

Races. One thread writes (the task's), any thread reads. The writer appends a record, stores the number of records with
release order, and only then, after a fence, changes the row. A reader copies rows from the pages, whatever state they are in, and afterwards
reads the number of records with acquire order. If it copied any part of a change, it therefore sees the record of that
row, and replaces its copy. A record of a later image holds the row only if the log of this image is complete and
lacks it. The reader therefore reads ``later`` before the number of records: the log is complete once there is a later
image, and without one all changes that it copied are in this log. Records and pages never move, and pages live as long
as an image that shares them.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from sabotnb.native.pages cimport free_page, new_page
from sabotnb.native.row_pages cimport RowPages, copy_rows, shift_of

from threading import Lock

import numpy as np


cdef bint add_chunk(Log* log, int64_t width) noexcept nogil:
    """Allocate the chunk of the next record; returns False if there is no memory."""
    log.chunks[log.count >> log.shift] = <char*> new_page((<int64_t> 1 << log.shift) * (SLOT_BYTES + width))
    return log.chunks[log.count >> log.shift] != NULL


cdef class RowImage:
    def __dealloc__(self):
        cdef uint64_t chunk
        cdef Log* log = &self.log
        if log.chunks != NULL:
            for chunk in range((log.count + (<uint64_t> 1 << log.shift) - 1) >> log.shift):
                free_page(log.chunks[chunk], (<int64_t> 1 << log.shift) * (SLOT_BYTES + self.pages.width))
        free(log.chunks)
        free(log.saved)
        free(self.record_of)
        free(self.bases)

    def __len__(self):
        return self.size

    @property
    def saved(self):
        return load(&self.log.count)

    def read(self, start, stop):
        cdef uint32_t first = start, last = min(stop, self.size)
        rows = np.zeros((stop - start, self.pages.width), np.uint8)
        cdef char[:, ::1] view = rows.view(np.int8)
        cdef RowImage image = self, later
        if first >= last:
            return rows
        patched = np.zeros(last - first, np.int8)
        cdef char[::1] marks = patched
        with nogil:
            copy_rows(self.bases, self.pages.shift, self.pages.width, first, last, &view[0, 0])
            fence()
        while image is not None:
            later = image.later  # before the number of records, see "Races"
            image._patch(first, last, &view[0, 0], &marks[0])
            image = later
        return rows

    cdef bint _patch(self, uint32_t start, uint32_t stop, char* rows, char* patched) except False:
        """Replace rows by their records, except those that an earlier image has replaced."""
        cdef uint32_t slot, record
        cdef int64_t width = self.pages.width
        with self.lock:
            self._index()
            with nogil:
                for slot in range(start, min(stop, self.log.size)):
                    record = self.record_of[slot]
                    if record and not patched[slot - start]:
                        memcpy(rows + (slot - start) * width, record_at(&self.log, record - 1, width) + SLOT_BYTES, width)
                        patched[slot - start] = 1
        return True

    cdef bint _index(self) except False:
        """Find the slots of the records that came since the last call."""
        cdef uint64_t count = load(&self.log.count)
        if self.record_of == NULL:
            self.record_of = <uint32_t*> calloc(max(self.log.size, 1), sizeof(uint32_t))
            if self.record_of == NULL:
                raise MemoryError
        with nogil:
            while self.indexed < count:
                self.record_of[(<uint64_t*> record_at(&self.log, self.indexed, self.pages.width))[0]] = (
                    <uint32_t> self.indexed + 1
                )
                self.indexed += 1
        return True


cdef RowImage image_of(RowPages pages, uint32_t rows, RowImage last):
    """Start an image of the slots below ``rows``, for which ``pages`` have rows; ``last`` is the image before it."""
    cdef RowImage image = RowImage()
    cdef uint32_t size = rows if last is None else max(rows, last.log.size)
    image.size = rows
    image.pages = pages
    image.lock = Lock()
    image.log.size = size
    image.log.shift = shift_of(SLOT_BYTES + pages.width)
    while image.log.shift and <uint32_t> 1 << (image.log.shift - 1) >= size:
        image.log.shift -= 1
    image.log.saved = <uint64_t*> calloc(size // 64 + 1, sizeof(uint64_t))
    image.log.chunks = <char**> calloc((size >> image.log.shift) + 1, sizeof(char*))
    image.bases = <char**> malloc(max(pages.count, 1) * sizeof(char*))
    if image.log.saved == NULL or image.log.chunks == NULL or image.bases == NULL:
        raise MemoryError
    memcpy(image.bases, pages.bases, pages.count * sizeof(char*))
    return image
