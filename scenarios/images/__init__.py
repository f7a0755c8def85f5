"""Docker images of the programs, and their base image."""
