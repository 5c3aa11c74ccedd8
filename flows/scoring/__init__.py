"""A table of rows through the models of the flow, prequentially, with no windows around it; and how good they were."""
