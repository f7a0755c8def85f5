"""What the programs share of networks: addresses, identities, certificates, places, rates."""
