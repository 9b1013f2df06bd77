"""The store: one SQLite file, a folder of blobs beside it, and the heads of the hash chains."""
