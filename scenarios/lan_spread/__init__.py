"""The LAN-spread family: peers that share games. S1 and on, and the words they are written in."""
