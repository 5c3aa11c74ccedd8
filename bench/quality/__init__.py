"""How true the verdicts are, day by day: simulated platforms under attack and in peace, and the truth about them."""
