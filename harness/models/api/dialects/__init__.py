"""One reader a dialect: from the JSON of a response to an answer or a fault, whichever path brought it."""
