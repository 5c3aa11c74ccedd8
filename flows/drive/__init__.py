"""Drivers: the stages assembled, run in one process or as a worker, and one alert explained."""
