"""Every cap, bound and deadline of an update, in one place."""

# TUF metadata, bytes (specification section 5: clients set these).
ROOT_BYTES = 8192
TIMESTAMP_BYTES = 2048
SNAPSHOT_BYTES = 2048
TARGETS_BYTES = 8192
ROOTS_PER_REFRESH = 16
METADATA_WHOLE_BYTES = 3072  # what is longer is parsed from the file
METADATA_CONTAINERS = 256  # arrays and objects in one metadata file; each costs 30 bytes and more
METADATA_DEPTH = 8

# Manifest and files, bytes.
MANIFEST_BYTES = 12288
MANIFEST_LINE_BYTES = 256
MANIFEST_FILES = 80
PATH_CHARS = 64
VERSION_CHARS = 32  # of a boot record
FILE_BYTES = 65536
SLOT_BYTES = 393216
APP_BYTES = 0x270000  # of a MicroPython: an app partition of boards with 8 MB
WINDOW_BITS = 12  # of deflate: 6 KB of heap

# HTTP.
HEAD_BYTES = 4096  # status line and headers of one answer
BUFFER_BYTES = 1024  # the one buffer; also the longest header line
ANSWER_CONTAINERS = 128  # arrays and objects in an answer; 2 KB of nothing else fill the heap
ANSWER_BYTES = 2048  # of a body, unless the caller says otherwise
EXCHANGE_S = 30  # one request, from dialling to the last byte, ...
SLOWEST_BYTES_S = 512  # ... and a second more for each of these: slower is slow retrieval

# DDI and reports.
DEPLOYMENT_BYTES = 3072
SLEEP_S = 300  # when the server says nothing
SLEEP_LEAST_S = 30
SLEEP_MOST_S = 86400
REPORTS = 24  # lines kept for the server

# What a stolen server can still ask for.
INSTALLS_PER_DAY = 4  # by a clock that it may shift ...
INSTALLS_PER_LIST = 16  # ... so no more than these under one signed targets metadata
UPDATE_S = 14 * 86400  # an offer that could not be carried out in this time has expired
