"""What every option has to keep, whatever it is made of."""
