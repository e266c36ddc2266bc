# Every pinned version, readable by make and by image/build (NAME = value).
ZANE_VERSION = 0.1.0
DEBIAN_SUITE = trixie
POSTGRES_MAJOR = 17
CADDY_VERSION = v2.11.9
TEMPORAL_VERSION = v1.31.2
LOKI_VERSION = v3.7.7
FLUENTD_VERSION = 1.20.1
