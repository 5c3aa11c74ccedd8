"""How cost grows: streams of any size and shape, jobs with one thing changed, and what a run of them weighs."""
