"""Half-Space Trees: the detector, the twin of River's model that it drives, and the twin's regions.

trees.py    the detector: robustly scaled features through the twin
twin.py     River's model on whole rounds at once, equal to the bit
regions.py  the trees' leaves as regions of the feature space
"""
