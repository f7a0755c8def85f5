"""The folder synchroniser family: trackers and peers that keep a folder in step."""
