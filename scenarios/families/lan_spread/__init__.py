"""The LAN-spread family: peers that share games. Scenarios S1 and up, and their vocabulary."""
