"""The report of a finished run: report.html for people, trace.json for Perfetto."""
