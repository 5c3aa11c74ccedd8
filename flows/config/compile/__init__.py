"""A configuration whose keys are right one by one, checked as a whole and turned into specs, one idea per file.

What is wrong is collected (flows.config.problems), so that all of it is told together.  Problems know what is known to
be wrong and was taken out of the configuration: what depends on it is passed over.
"""

from flows.config.compile.job import compile_job, mistakes
from flows.config.compile.table import compile_table

__all__ = ["compile_job", "compile_table", "mistakes"]
