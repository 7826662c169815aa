"""One rendering per option, as messages. Pure: text in, messages out; no chat template here."""
