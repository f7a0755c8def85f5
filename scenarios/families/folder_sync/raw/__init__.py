"""Trackers and peers of the legacy wire, honest or not, written from its description alone.

They import nothing of this project (relative imports: the folder is mounted under any name).
"""
