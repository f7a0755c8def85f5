"""What the programs share of disks: names, durable writes, locks, deletion."""
