"""A seeded streaming platform: people and attackers, the events they cause, and the truth about them."""
