"""What a finished run says to people and machines: report.html and trace.json."""
