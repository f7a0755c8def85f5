"""The files of a pair: what is shared, pulled and mounted."""
