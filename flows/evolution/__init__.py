"""State evolution: what saved state fits which configuration, and what becomes of it."""
