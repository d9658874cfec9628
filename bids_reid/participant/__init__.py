"""The participant level: a scan becomes files, and files a scan again."""
