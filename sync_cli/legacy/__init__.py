"""The legacy wire: a tracker and peers that exchange whole files by name and mtime."""
