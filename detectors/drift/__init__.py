"""Whether the world has moved: monitors, what they tell, why it was."""
