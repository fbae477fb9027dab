"""The verbs of ``mlp``, one module each."""
