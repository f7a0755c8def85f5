"""The results of runs, and what is made from them: history, comparison, summary, matrix."""
