"""The pair family: two peers, their relay, and what happens to them."""
