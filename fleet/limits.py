"""Every cap, wait and bound of the fleet server in one place, with its unit."""

# Connections
HEAD_BYTES = 16 * 1024  # request line and header fields together
OPEN_FILES = 65536  # asked of the system, as far as it grants them: a connection is one
KEEP_ALIVE_S = 75  # longer than a node's minute, shorter than a NAT's memory
BODY_S = 60  # for a whole request body to arrive
LINGER_S = 2  # for the rest of a body that was refused
CLOSE_S = 0.2  # for a peer to answer TLS's good-bye at shutdown
SHUTDOWN_S = 5  # for requests under way to finish

# Bodies
TELEMETRY_BYTES = 64 * 1024
CSR_BYTES = 8 * 1024
FEEDBACK_BYTES = 16 * 1024
JSON_BYTES = 256 * 1024  # operator API
BUNDLE_BYTES = 16 * 1024 * 1024
PAGE = 1000  # rows in one answer, at the most

# Telemetry
FUTURE_S = 300  # how far ahead of the server's clock a reading may be

# Identity
CERTIFICATE_DAYS = 90
SERVER_CERTIFICATE_DAYS = 90
CA_DAYS = 20 * 365
CLAIM_S = 86400  # how long a claim token lives unless told otherwise
CLAIM_MAX_S = 7 * 86400
PEER_CACHE = 4096  # parsed client certificates kept

# Access
TOKEN_S = 30 * 86400
TOKEN_MAX_S = 366 * 86400
SEEN_S = 60  # a device's last contact is written at most this often

# Audit: refusals of callers that are nobody are written one by one up to this, then counted
REFUSALS_PER_MINUTE = 120

# Releases
SBOM_BYTES = 512 * 1024
PROVENANCE_BYTES = 128 * 1024
TIMESTAMP_S = 2 * 86400
SNAPSHOT_S = 30 * 86400
KEEPER_S = 600  # how often the metadata's age is looked at

# Rollouts
ROLLOUT_DEVICES = 10_000
WAVES = 20  # of one rollout
SOAK_MAX_S = 30 * 86400
DEADLINE_MAX_S = 366 * 86400
MOVES = 100  # how often silence may take one update to a later wave or a second offer
TICK_S = 5.0  # how often each server process looks at the rollouts
DETAILS = 20  # lines kept of one feedback
DETAIL_CHARS = 200
DETAILS_CHARS = 4096  # of their JSON text, which is what the database keeps
POLL_S = 300
OFFLINE_S = 86400
OFFLINE_INSTALLS = 8  # releases by cable that a node may tell of in that time
REPORTS = 100  # kept of one update; its last word is kept in any case

# Heartbeats
ERROR_NAMES = 12  # error counters of one heartbeat
REFUSED_CHARS = 40  # kept of a value that makes no sense
EVENTS = 200  # kept of one node, the newest
SILENT_MAX_S = 3660 * 86400
