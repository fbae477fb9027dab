"""The plays of Shakespeare, as char-rnn and nanoGPT use them."""
