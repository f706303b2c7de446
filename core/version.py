"""The version of specql-jobs, read by the build and by `specql-jobs version`."""

VERSION = "0.1.0"
