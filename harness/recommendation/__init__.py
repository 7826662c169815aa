"""What a run concludes as a whole: scores, money and limits, and what to do next."""
