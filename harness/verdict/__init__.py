"""Console and results -> findings and outcomes.  Pure: reads text, returns values."""
