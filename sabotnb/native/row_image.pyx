"""``RowImage``: the rows of a key group as they were at a freeze, while the task goes on changing them.

Theory of operation. A freeze copies no rows. The image shares the pages, and the task saves a row in the log of the last
image (``saved_rows``) before it changes that row for the first time since. What a batch pays after a freeze is therefore
bounded by its own rows, however large the state is.

Several images. Only the last image of a group gets records. An image refers to the next one (``later``), and a row that
it has no record of is, in this order, in the log of a later image or unchanged in the pages. The log of an image
therefore covers at least the slots of the image before it. ``Rows`` refers weakly to the last image, so saving stops
when no image is left.

Races. One thread writes (the task's), any thread reads. The writer saves a row, and only then, after a fence, changes
it. A reader copies rows from the pages, whatever state they are in, and afterwards
asks for the records. If it copied any part of a change, it therefore sees the record of that
row, and replaces its copy. A record of a later image holds the row only if the log of this image is complete and
lacks it. The reader therefore reads ``later`` before the number of records: the log is complete once there is a later
image, and without one all changes that it copied are in this log. Records and pages never move, and pages live as long
as an image that shares them.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from sabotnb.native.row_pages cimport RowPages, copy_rows
from sabotnb.native.saved_rows cimport SavedRows, fence

import numpy as np


cdef class RowImage:
    def __dealloc__(self):
        if self.shared_log is not None:
            self.shared_log.release(self.log.group)
        free(self.log.saved)
        free(self.bases)

    def __len__(self):
        return self.size

    @property
    def nbytes(self):
        return self.size * self.pages.width

    @property
    def saved(self):
        return self.log.count

    def read(self, start, stop):
        cdef uint32_t first = start, last = min(stop, self.size)
        cdef int64_t width = self.pages.width
        if first >= last:
            return np.zeros((stop - start, width), np.uint8)
        rows = np.empty((stop - start, width), np.uint8)
        cdef char[:, ::1] view = rows.view(np.int8)
        with nogil:
            copy_rows(self.bases, self.pages.shift, width, first, last, &view[0, 0])
            memset(&view[0, 0] + (last - first) * width, 0, (view.shape[0] - (last - first)) * width)
            fence()
        self._put_back(first, last, &view[0, 0])
        return rows

    cdef bint _put_back(self, uint32_t first, uint32_t last, char* rows) except False:
        """Replace those of ``rows``, copied from the pages, that have changed since."""
        cdef char[::1] marks = np.zeros(last - first, np.int8)
        cdef RowImage image = self, later
        while image is not None:
            later = image.later  # before the number of records, see "Races"
            image.shared_log.put_back(image.log.group, first, last, rows, &marks[0])
            image = later
        return True


cdef struct Source:
    char** bases
    uint32_t size


def read_images(images):
    cdef list chosen = [image for image in images if len(image)]
    cdef int count = len(chosen), number, shift
    cdef int64_t width, at = 0
    cdef RowImage image
    cdef Source* sources
    if not chosen:
        return np.zeros((0, 0), np.uint8)
    image = chosen[0]
    width, shift = image.pages.width, image.pages.shift
    rows = np.empty((sum(len(image) for image in chosen), width), np.uint8)
    cdef char[:, ::1] view = rows.view(np.int8)
    sources = <Source*> malloc(count * sizeof(Source))
    if sources == NULL:
        raise MemoryError
    for number in range(count):
        image = chosen[number]
        sources[number] = Source(image.bases, image.size)
    with nogil:
        for number in range(count):
            copy_rows(sources[number].bases, shift, width, 0, sources[number].size, &view[0, 0] + at * width)
            at += sources[number].size
        fence()
    free(sources)
    at = 0
    for image in chosen:
        image._put_back(0, image.size, &view[0, 0] + at * width)
        at += image.size
    return rows


cdef RowImage image_of(RowPages pages, uint32_t rows, RowImage last, SavedRows saved, int group):
    """Start an image of the slots of ``group`` below ``rows``, for which ``pages`` have rows.

    ``last`` is the image before it. ``saved``, to which ``group`` was not added, will have the rows that change.
    """
    cdef RowImage image = RowImage()
    cdef uint32_t size = rows if last is None else max(rows, last.log.size)
    image.size = rows
    image.pages = pages
    image.log.size = size
    image.log.group = group
    image.log.saved = <uint64_t*> calloc(size // 64 + 1, sizeof(uint64_t))
    image.bases = <char**> malloc(max(pages.count, 1) * sizeof(char*))
    if image.log.saved == NULL or image.bases == NULL:
        raise MemoryError
    memcpy(image.bases, pages.bases, pages.count * sizeof(char*))
    saved.add(group, size)
    image.shared_log = saved
    image.log.records = &saved.records
    return image
