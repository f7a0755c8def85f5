"""The common parts of every headless program: JSON lines in, JSON lines out.

A program is a value (`program.Program`): its vocabulary, its flags, and the service that handles
its commands.
"""
