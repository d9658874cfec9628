"""The group level: enrolled scans and photographs become one `GroupResult`."""
