"""Language models as agents: prompts, dialogues, and the backends that complete them.

Importing it needs neither torch nor any client; each backend imports its own library when made.
"""
