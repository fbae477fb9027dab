"""The subcommands of ``mlp``, one module each."""
