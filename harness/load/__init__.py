"""How many questions a second a served arm answers, and how long they take under that load."""
